// WebSockets over HTTP/2 (RFC 8441) with a real browser: the page and its sockets are streams of one connection.

import assert from "node:assert/strict"
import { readFileSync, writeFileSync } from "node:fs"
import net from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { launch, overTCP, visit } from "../browser.mjs"
import { freePort } from "../port.mjs"
import { Process } from "../process.mjs"
import { closeCleanly, closeTab, connections, many, panic, sayGoodbye, serve, shareOneConnection, tmp, ways } from "../sockets.mjs"
import { before, test } from "../tests.mjs"

let browser
let server

before(async () => {
  browser = await launch(...overTCP)
  server = await serve("http2")
})

test("twenty sockets and the page on one connection, compressed", async () => {
  const from = server.lines.length
  const visitor = await visit(browser, server.url)
  await shareOneConnection({ ...visitor, server, protocol: "HTTP/2.0", from })
  await visitor.context.close()
})

// Chromium opens a WebSocket over HTTP/2 only where it has a connection. It waits for seconds between a page's many.
test("a page that was idle for longer than the server's time-outs has its connection still", async () => {
  const from = server.lines.length
  const { page, context, complaints } = await visit(browser, server.url)
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 7000)))
  const [seen] = await page.evaluate(many, { url: server.socket("handler"), n: 1, end: "page" })
  assert.ok(seen.wasClean && seen.code === 3001, JSON.stringify(seen))
  const requests = await server.count(/^(page|socket): HTTP\/2.0 /, 2, from)
  assert.equal(connections(requests), 1, requests.join("\n"))
  assert.deepEqual(complaints, [])
  await context.close()
})

for (const way of ways) {
  test(`clean closes from both sides, 40 of 40: ${way}`, async () => {
    const from = server.lines.length
    const visitor = await visit(browser, server.url)
    await closeCleanly({ ...visitor, server, url: server.socket(way), n: 40 })
    await server.count(/^socket: HTTP\/2.0 CONNECT /, 80, from)
    await visitor.context.close()
  })

  test(`a handler that panics: ${way}`, async () => {
    const { page, context } = await visit(browser, server.url)
    await panic({ page, url: server.socket(way === "goroutine" ? "handler" : way) })
    await context.close()
  })

  test(`a tab that is closed: ${way}`, async () => {
    const { page, context } = await visit(browser, server.url)
    await closeTab({ page, server, way })
    await context.close()
  })
}

test("sockets outlive the server's time-outs, idle but for pings", async () => {
  const { page, context, complaints } = await visit(browser, server.url)
  const seen = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url)
        socket.onopen = () => setTimeout(() => socket.send("still here"), 7000)
        socket.onmessage = ({ data }) => resolve(data)
        socket.onclose = ({ code }) => resolve(code)
      }),
    server.socket("handler"),
  )
  assert.equal(seen, "still here")
  assert.deepEqual(complaints, [])
  await context.close()
})

test("a reload ends the page's sockets and opens others", async () => {
  const from = server.lines.length
  const { page, context } = await visit(browser, server.url)
  await page.evaluate(many, { url: server.socket("handler"), n: 3 })
  await page.reload()
  await server.count(/^ended: handler .*(1001|1006)/, 3, from)
  const seen = await page.evaluate(many, { url: server.socket("handler"), n: 3, end: "page" })
  assert.ok(seen.every((s) => s.wasClean && s.code === 3001))
  await context.close()
})

test("a page of another origin is refused", async () => {
  const other = await serve("http2")
  const { page, context } = await visit(browser, other.url)
  const seen = await page.evaluate(many, { url: server.socket("handler"), n: 1, end: "page" })
  assert.deepEqual(seen.map(({ code, messages }) => ({ code, messages })), [{ code: 1006, messages: 0 }])
  await context.close()
  assert.equal(await other.stop(), 0)
})

// listens waits until somebody listens on the port.
async function listens(port) {
  for (;;) {
    const socket = net.connect(port, "127.0.0.1")
    const refused = await new Promise((resolve) => socket.once("connect", () => resolve(false)).once("error", () => resolve(true)))
    socket.destroy()
    if (!refused) return
    await sleep(20) // the condition is polled: it is another process that makes it true
  }
}

// haproxy starts haproxy in front of the server, which it talks to as `alpn` says.
async function haproxy(alpn) {
  const port = await freePort()
  const pem = join(tmp, "haproxy.pem")
  writeFileSync(pem, readFileSync(join(tmp, "cert.pem"), "utf8") + readFileSync(join(tmp, "key.pem"), "utf8"), { mode: 0o600 })
  const config = join(tmp, `haproxy-${port}.cfg`)
  writeFileSync(config, `
defaults
	mode http
	timeout connect 60s
	timeout client 60s
	timeout server 60s
	timeout tunnel 60s
frontend public
	bind 127.0.0.1:${port} ssl crt ${pem} alpn h2,http/1.1
	default_backend app
backend app
	server a 127.0.0.1:${new URL(server.url).port} ssl verify none alpn ${alpn}
`)
  const proxy = new Process(process.env.HAPROXY, ["-db", "-f", config])
  proxy.host = `localhost:${port}`
  await Promise.race([listens(port), proxy.exited.then(() => assert.fail(`haproxy has ended:\n${proxy.lines.join("\n")}`))])
  return proxy
}

for (const [alpn, line] of [["http/1.1", "HTTP/1.1 GET"], ["h2", "HTTP/2.0 CONNECT"]]) {
  test(`through haproxy, which speaks ${alpn} to the server`, async () => {
    const proxy = await haproxy(alpn)
    const from = server.lines.length
    const visitor = await visit(browser, `https://${proxy.host}/`)
    assert.equal(await visitor.page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol), "h2")
    await closeCleanly({ ...visitor, server, url: `wss://${proxy.host}/handler`, n: 20 })
    await server.count(new RegExp(`^socket: ${line} `), 40, from)
    await visitor.context.close()
    await proxy.stop()
  })
}

test("a server that stops says goodbye, spread over its time, and ends", async () => {
  const own = await serve("http2")
  const visitor = await visit(browser, own.url)
  await sayGoodbye({ ...visitor, server: own, protocol: "HTTP/2.0" })
  await visitor.context.close()
})
