// WebSockets over HTTP/3 (RFC 9220) with a real browser, which is told to use it: the page and its sockets are streams
// of one QUIC connection. Left to itself, it opens them over HTTP/1.1.

import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { X509Certificate, createHash } from "node:crypto"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { setTimeout as sleep } from "node:timers/promises"
import { chromium } from "playwright-core"

const tmp = process.env.E2E_TMP
if (!tmp) throw new Error("e2e: run e2e/http3/run.sh: it builds what the tests need")

let server
before(async () => (server = await start()))
after(async () => assert.equal(await server?.stop(), 0))

// start runs the server; its lines are kept.
async function start() {
  const child = spawn(join(tmp, "http3"), [join(tmp, "cert.pem"), join(tmp, "key.pem")], { stdio: ["ignore", "pipe", "inherit"] })
  const s = { lines: [] }
  const exited = once(child, "exit")
  let rest = ""
  child.stdout.setEncoding("utf8").on("data", (data) => {
    const lines = (rest + data).split("\n")
    rest = lines.pop()
    s.lines.push(...lines)
  })
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
    return (await exited)[0]
  }
  const [line] = await s.count(/^http3: https/, 1)
  s.host = line.replace("http3: https://127.0.0.1", "localhost")
  return s
}

// visit opens the server's page over HTTP/3. Features are those that Chromium has switched off.
async function visit(of, features = ["EnableWebsocketsOverHttp3"]) {
  const key = new X509Certificate(readFileSync(join(tmp, "cert.pem"))).publicKey.export({ type: "spki", format: "der" })
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      "--host-resolver-rules=MAP localhost 127.0.0.1", // QUIC does not try the next address
      `--origin-to-force-quic-on=${of.host}`,
      `--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`,
      `--enable-features=${features.join(",")}`,
    ],
  })
  const page = await browser.newPage()
  const complaints = []
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
  await page.goto(`https://${of.host}/`)
  assert.equal(await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol), "h3")
  return { page, browser, complaints }
}

// many opens n sockets in the page, sends over each, and ends it as `end` says; it returns what each has seen.
function many({ url, n, end, protocols }) {
  const one = (i) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, protocols)
      const seen = { messages: 0 }
      const text = `hello ${i} `.repeat(1 + (i % 5) * 5000)
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
      socket.onclose = ({ code, wasClean }) => resolve({ ...seen, code, wasClean })
    })
  return Promise.all(Array.from({ length: n }, (_, i) => one(i)))
}

test("twenty sockets and the page on one connection, compressed", async () => {
  const from = server.lines.length
  const { page, browser, complaints } = await visit(server)
  const seen = await page.evaluate(many, { url: `wss://${server.host}/handler`, n: 20, end: "page", protocols: ["chat.v1", "chat.v2"] })
  for (const s of seen) {
    assert.deepEqual(s, {
      messages: 10, extensions: "permessage-deflate; client_max_window_bits=12", protocol: "chat.v2", code: 3001, wasClean: true,
    })
  }
  const requests = await server.count(/^(page|socket): HTTP\/3.0 /, 21, from)
  assert.equal(requests.filter((line) => line.includes("CONNECT")).length, 20)
  assert.equal(new Set(requests.map((line) => line.match(/from (\S+)/)[1])).size, 1, requests.join("\n"))
  await server.count(/^ended: handler .*3001.*enough/, 20, from)
  assert.deepEqual(complaints, [])
  await browser.close()
})

for (const way of ["handler", "goroutine", "poller"]) {
  test(`clean closes from both sides, 40 of 40, and a tab that is closed: ${way}`, async () => {
    const from = server.lines.length
    const { page, browser, complaints } = await visit(server)
    for (const [end, code] of [["leave", 1000], ["page", 3001]]) {
      const seen = await page.evaluate(many, { url: `wss://${server.host}/${way}`, n: 40, end })
      assert.equal(seen.filter((s) => s.wasClean && s.code === code && s.messages === 10 && !s.wrong).length, 40, JSON.stringify(seen).slice(0, 2000))
    }
    await page.evaluate(many, { url: `wss://${server.host}/${way}`, n: 5 })
    assert.deepEqual(complaints, [])
    await page.close({ runBeforeUnload: false })
    await server.count(new RegExp(`^ended: ${way} .*(1001|1006)`), 5, from)
    await server.count(/^socket: HTTP\/3.0 /, 85, from)
    await browser.close()
  })
}

test("left to itself, Chromium opens the sockets of a page of HTTP/3 over HTTP/1.1", async () => {
  const from = server.lines.length
  const { page, browser } = await visit(server, [])
  const seen = await page.evaluate(many, { url: `wss://${server.host}/handler`, n: 3, end: "leave" })
  assert.ok(seen.every((s) => s.wasClean && s.code === 1000), JSON.stringify(seen))
  await server.count(/^socket: HTTP\/1.1 /, 3, from)
  await browser.close()
})

test("a server that stops says goodbye, and ends", async () => {
  const own = await start()
  const { page, browser } = await visit(own)
  await page.evaluate((url) => {
    window.ended = Promise.all(
      Array.from({ length: 10 }, () =>
        new Promise((resolve) => {
          const socket = new WebSocket(url)
          socket.onopen = () => socket.send("open")
          socket.onclose = ({ code, wasClean }) => resolve(`${code} ${wasClean}`)
        }),
      ),
    )
  }, `wss://${own.host}/handler`)
  await own.count(/^socket: HTTP\/3.0 /, 10)
  assert.equal(await own.stop(), 0)
  assert.deepEqual(await page.evaluate(() => window.ended), Array(10).fill("1001 true"))
  await browser.close()
})
