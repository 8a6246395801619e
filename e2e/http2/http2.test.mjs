// WebSockets over HTTP/2 (RFC 8441) with a real browser: the page and its sockets are streams of one connection.

import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import { chromium } from "playwright-core"

const tmp = process.env.E2E_TMP
if (!tmp) throw new Error("e2e: run e2e/http2/run.sh: it builds what the tests need")

let browser
let server

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
    ],
  })
  server = await start()
})
after(async () => {
  await browser?.close()
  assert.equal(await server?.stop(), 0)
})

// start runs the server; its lines are kept.
async function start() {
  const child = spawn(join(tmp, "http2"), ["-tls-cert", join(tmp, "cert.pem"), "-tls-key", join(tmp, "key.pem")], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  const s = { child, lines: [] }
  const exited = once(child, "exit")
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ""
    stream.setEncoding("utf8").on("data", (data) => {
      const lines = (rest + data).split("\n")
      rest = lines.pop()
      s.lines.push(...lines)
    })
  }
  // count waits until there are so many lines like that, from the line with the number `from` on.
  s.count = async (pattern, n, from = 0) => {
    for (let i = 0; i < 500; i++) {
      const found = s.lines.slice(from).filter((line) => pattern.test(line))
      if (found.length >= n) return found
      await sleep(20) // the condition is polled: it is another process that makes it true
    }
    throw new Error(`${n} lines like ${pattern} did not come:\n${s.lines.slice(from).join("\n")}`)
  }
  s.stop = async () => {
    child.kill("SIGTERM")
    const [code] = await exited
    return code
  }
  const [line] = await s.count(/^http2: https/, 1)
  s.url = line.replace("http2: ", "").replace("127.0.0.1", "localhost")
  return s
}

async function visit(url = server.url) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  const page = await context.newPage()
  const complaints = []
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
  await page.goto(url)
  return { page, context, complaints }
}

const socketURL = (way) => `wss://${new URL(server.url).host}/${way}`

// many opens n sockets in the page, sends over each, and ends it as `end` says; it returns what each has seen.
function many({ url, n, end, protocols }) {
  const one = (i) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, protocols)
      const seen = { messages: 0 }
      const text = `hello ${i} `.repeat(1 + (i % 5) * 500)
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

test("twenty sockets and the page on one connection, compressed", async () => {
  const from = server.lines.length
  const { page, context, complaints } = await visit()
  const seen = await page.evaluate(many, { url: socketURL("handler"), n: 20, end: "page", protocols: ["chat.v1", "chat.v2"] })
  for (const s of seen) {
    assert.deepEqual(s, {
      messages: 10, extensions: "permessage-deflate; client_max_window_bits=12", protocol: "chat.v2",
      code: 3001, wasClean: true, reason: "", // the server's answer has none
    })
  }
  const requests = await server.count(/^(page|socket): /, 21, from)
  assert.ok(requests.every((line) => line.includes(" HTTP/2.0 ")), requests.join("\n"))
  assert.equal(requests.filter((line) => line.includes("CONNECT")).length, 20)
  const connections = new Set(requests.map((line) => line.match(/from (\S+)/)[1]))
  assert.equal(connections.size, 1, requests.join("\n"))
  await server.count(/^ended: handler .*3001.*enough/, 20, from)
  assert.deepEqual(complaints, [])
  await context.close()
})

// Chromium opens a WebSocket over HTTP/2 only where it has a connection. It waits for seconds between a page's many.
test("a page that was idle for longer than the server's time-outs has its connection still", async () => {
  const from = server.lines.length
  const { page, context, complaints } = await visit()
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 7000)))
  const [seen] = await page.evaluate(many, { url: socketURL("handler"), n: 1, end: "page" })
  assert.ok(seen.wasClean && seen.code === 3001, JSON.stringify(seen))
  const requests = await server.count(/^(page|socket): HTTP\/2.0 /, 2, from)
  assert.equal(new Set(requests.map((line) => line.match(/from (\S+)/)[1])).size, 1, requests.join("\n"))
  assert.deepEqual(complaints, [])
  await context.close()
})

for (const way of ["handler", "goroutine", "poller"]) {
  test(`clean closes from both sides, 40 of 40: ${way}`, async () => {
    const { page, context, complaints } = await visit()
    for (const [end, code] of [["leave", 1000], ["page", 3001]]) {
      const seen = await page.evaluate(many, { url: socketURL(way), n: 40, end })
      assert.equal(seen.filter((s) => s.wasClean && s.code === code && s.messages === 10 && !s.wrong).length, 40, JSON.stringify(seen))
    }
    assert.deepEqual(complaints, [])
    await context.close()
  })

  test(`a handler that panics: ${way}`, async () => {
    const { page, context } = await visit()
    const seen = await page.evaluate(many, { url: socketURL(way === "goroutine" ? "handler" : way), n: 5, end: "panic" })
    assert.deepEqual(seen.map(({ code, wasClean }) => ({ code, wasClean })), Array(5).fill({ code: 1011, wasClean: true }))
    await context.close()
  })

  test(`a tab that is closed: ${way}`, async () => {
    const from = server.lines.length
    const { page, context } = await visit()
    await page.evaluate(many, { url: socketURL(way), n: 5 })
    await page.close({ runBeforeUnload: false })
    await server.count(new RegExp(`^ended: ${way} .*(1001|1006)`), 5, from)
    await context.close()
  })
}

test("sockets outlive the server's time-outs, idle but for pings", async () => {
  const { page, context, complaints } = await visit()
  const seen = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url)
        socket.onopen = () => setTimeout(() => socket.send("still here"), 7000)
        socket.onmessage = ({ data }) => resolve(data)
        socket.onclose = ({ code }) => resolve(code)
      }),
    socketURL("handler"),
  )
  assert.equal(seen, "still here")
  assert.deepEqual(complaints, [])
  await context.close()
})

test("a reload ends the page's sockets and opens others", async () => {
  const from = server.lines.length
  const { page, context } = await visit()
  await page.evaluate(many, { url: socketURL("handler"), n: 3 })
  await page.reload()
  await server.count(/^ended: handler .*(1001|1006)/, 3, from)
  const seen = await page.evaluate(many, { url: socketURL("handler"), n: 3, end: "page" })
  assert.ok(seen.every((s) => s.wasClean && s.code === 3001))
  await context.close()
})

test("a page of another origin is refused", async () => {
  const other = await start()
  const { page, context } = await visit(other.url)
  const seen = await page.evaluate(many, { url: socketURL("handler"), n: 1, end: "page" })
  assert.deepEqual(seen.map(({ code, messages }) => ({ code, messages })), [{ code: 1006, messages: 0 }])
  await context.close()
  assert.equal(await other.stop(), 0)
})

// freePort returns a port that nobody listens on.
async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1")
  await once(listener, "listening")
  const { port } = listener.address()
  await once(listener.close(), "close")
  return port
}

// haproxy starts haproxy in front of the server, which it talks to as `alpn` says, and returns its port.
async function haproxy(alpn) {
  const port = await freePort()
  const pem = join(tmp, "haproxy.pem")
  writeFileSync(pem, readFileSync(join(tmp, "cert.pem"), "utf8") + readFileSync(join(tmp, "key.pem"), "utf8"), { mode: 0o600 })
  const config = join(tmp, `haproxy-${port}.cfg`)
  writeFileSync(config, `
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
	timeout tunnel 60s
frontend public
	bind 127.0.0.1:${port} ssl crt ${pem} alpn h2,http/1.1
	default_backend app
backend app
	server a 127.0.0.1:${new URL(server.url).port} ssl verify none alpn ${alpn}
`)
  const child = spawn(process.env.HAPROXY, ["-db", "-f", config], { stdio: "inherit" })
  const exited = once(child, "exit")
  for (let i = 0; ; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch((error) => error.cause?.code)
    if (answer !== "ECONNREFUSED") break // it listens, and speaks TLS
    if (i === 250) throw new Error("haproxy does not listen")
    await sleep(20) // the condition is polled: it is another process that makes it true
  }
  return { port, stop: () => (child.kill(), exited) }
}

for (const [alpn, line] of [["http/1.1", "HTTP/1.1 GET"], ["h2", "HTTP/2.0 CONNECT"]]) {
  test(`through haproxy, which speaks ${alpn} to the server`, async () => {
    const proxy = await haproxy(alpn)
    const from = server.lines.length
    const { page, context, complaints } = await visit(`https://localhost:${proxy.port}/`)
    assert.equal(await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol), "h2")
    for (const [end, code] of [["leave", 1000], ["page", 3001]]) {
      const seen = await page.evaluate(many, { url: `wss://localhost:${proxy.port}/handler`, n: 20, end })
      assert.equal(seen.filter((s) => s.wasClean && s.code === code && s.messages === 10 && !s.wrong).length, 20, JSON.stringify(seen))
    }
    await server.count(new RegExp(`^socket: ${line} `), 40, from)
    assert.deepEqual(complaints, [])
    await context.close()
    await proxy.stop()
  })
}

test("a server that stops says goodbye, spread over its time, and ends", async () => {
  const own = await start()
  const { page, context, complaints } = await visit(own.url)
  const url = `wss://${new URL(own.url).host}/handler`
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
  }, url)
  await own.count(/^socket: HTTP\/2.0/, 10)
  const begun = Date.now()
  assert.equal(await own.stop(), 0)
  assert.ok(Date.now() - begun < 5000, `it took ${Date.now() - begun} ms`)
  const ended = await page.evaluate(() => window.ended)
  assert.deepEqual(ended.map(({ code, wasClean }) => ({ code, wasClean })), Array(10).fill({ code: 1001, wasClean: true }))
  const times = ended.map(({ at }) => at).sort((a, b) => a - b)
  assert.ok(times.at(-1) - times[0] > 300, `within ${times.at(-1) - times[0]} ms`)
  assert.deepEqual(complaints, [])
  await context.close()
})
