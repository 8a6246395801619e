// What must hold of a page's WebSockets, whatever they are streams of (golazy.dev/internal/e2e is the servers' half).

import assert from "node:assert/strict"
import { join } from "node:path"
import { Process } from "./process.mjs"

export const tmp = process.env.E2E_TMP
if (!tmp) throw new Error("e2e: the script run.sh beside the tests builds what they need")

export const ways = ["handler", "goroutine", "poller"]

// serve starts a server.
export async function serve(name) {
  const server = new Process(join(tmp, name), [join(tmp, "cert.pem"), join(tmp, "key.pem")])
  const [, url] = await server.line(/^http\d: (https\S+)$/)
  server.url = url.replace("127.0.0.1", "localhost")
  server.host = new URL(server.url).host
  server.socket = (way) => `wss://${server.host}/${way}`
  return server
}

// many runs in a page. It opens n sockets, sends ten texts over each and ends it as `end` says: the page closes it, or
// the server, which is sent that word, or nobody. It returns what each has seen.
export function many({ url, n, end, protocols, repeat = 500 }) {
  const one = (i) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, protocols)
      const seen = { messages: 0 }
      const text = `hello ${i} `.repeat(1 + (i % 5) * repeat)
      socket.onopen = () => {
        Object.assign(seen, { extensions: socket.extensions, protocol: socket.protocol })
        for (let k = 0; k < 10; k++) socket.send(text)
      }
      socket.onmessage = ({ data }) => {
        if (data !== text) seen.wrong = data
        if (++seen.messages < 10) return
        if (end === "page") socket.close(3001, "enough")
        else if (end) socket.send(end)
        else resolve(seen)
      }
      socket.onclose = ({ code, wasClean, reason }) => resolve({ ...seen, code, wasClean, reason })
    })
  return Promise.all(Array.from({ length: n }, (_, i) => one(i)))
}

// shareOneConnection opens twenty sockets: over the connection that the page came by, and over no other.
export async function shareOneConnection({ page, complaints, server, protocol, from, repeat }) {
  const seen = await page.evaluate(many, { url: server.socket("handler"), n: 20, end: "page", protocols: ["chat.v1", "chat.v2"], repeat })
  for (const s of seen) {
    assert.deepEqual(s, {
      messages: 10, extensions: "permessage-deflate; client_max_window_bits=12", protocol: "chat.v2",
      code: 3001, wasClean: true, reason: "", // the server's answer has none
    })
  }
  const requests = await server.count(/^(page|socket): /, 21, from)
  assert.ok(requests.every((line) => line.includes(` ${protocol} `)), requests.join("\n"))
  assert.equal(requests.filter((line) => line.includes(" CONNECT ")).length, 20)
  assert.equal(connections(requests), 1, requests.join("\n"))
  await server.count(/^ended: handler .*3001.*enough/, 20, from)
  assert.deepEqual(complaints, [])
}

// connections returns how many connections the requests came by.
export const connections = (requests) => new Set(requests.map((line) => line.match(/ over connection (\d+)$/)[1])).size

// addresses returns how many addresses they came from.
export const addresses = (requests) => new Set(requests.map((line) => line.match(/ from (\S+)/)[1])).size

// closeCleanly opens n sockets that the server closes, and n that the page closes. The server's Close waits for a
// quarter of a second until it is said, and for a second until it is answered: on a busy machine that may be in vain.
export async function closeCleanly({ page, complaints, server, url, n, repeat }) {
  const from = server.lines.length
  let heard = 0 // complaints that may be heard
  for (const [end, code] of [["leave", 1000], ["page", 3001]]) {
    const seen = await page.evaluate(many, { url, n, end, repeat })
    const others = seen.filter((s) => !s.wasClean || s.code !== code || s.messages !== 10 || s.wrong)
    const closed = end === "leave" ? await server.count(/^closed: /, n, from) : []
    const late = closed.filter((line) => line.match(/ in (\d+) ms$/)[1] >= 250)
    const lost = others.filter((s) => s.code === 1006 && s.messages === 10)
    const excused = lost.length <= Math.min(late.length, n / 2) ? lost : []
    assert.deepEqual(others.filter((s) => !excused.includes(s)), [], server.lines.slice(from).join("\n"))
    heard += excused.length
  }
  assert.ok(complaints.length <= heard, complaints.join("\n"))
}

// panic opens sockets whose handlers panic.
export async function panic({ page, url }) {
  const seen = await page.evaluate(many, { url, n: 5, end: "panic", repeat: 1 })
  assert.deepEqual(seen.map(({ code, wasClean }) => ({ code, wasClean })), Array(5).fill({ code: 1011, wasClean: true }))
}

// closeTab closes a page that has sockets.
export async function closeTab({ page, server, way }) {
  const from = server.lines.length
  await page.evaluate(many, { url: server.socket(way), n: 5 })
  await page.close({ runBeforeUnload: false })
  await server.count(new RegExp(`^ended: ${way} .*(1001|1006)`), 5, from)
}

// sayGoodbye stops a server that a page has ten sockets at. They end one after the other.
export async function sayGoodbye({ page, complaints, server, protocol }) {
  await page.evaluate((url) => {
    window.ended = Promise.all(
      Array.from({ length: 10 }, () =>
        new Promise((resolve) => {
          const socket = new WebSocket(url)
          socket.onopen = () => socket.send("open")
          socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean, at: performance.now() })
        }),
      ),
    )
  }, server.socket("handler"))
  await server.count(new RegExp(`^socket: ${protocol} `), 10)
  assert.equal(await server.stop(), 0, server.lines.join("\n"))
  const ended = await page.evaluate(() => window.ended)
  assert.deepEqual(ended.map(({ code, wasClean }) => ({ code, wasClean })), Array(10).fill({ code: 1001, wasClean: true }))
  const times = ended.map(({ at }) => at).sort((a, b) => a - b)
  assert.ok(times.at(-1) - times[0] > 300, `within ${times.at(-1) - times[0]} ms`)
  assert.deepEqual(complaints, [])
}
