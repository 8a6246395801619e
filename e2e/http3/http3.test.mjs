// WebSockets over HTTP/3 (RFC 9220) with a real browser, which is told to use it: the page and its sockets are streams
// of one QUIC connection. Left to itself, it opens them over HTTP/1.1.

import assert from "node:assert/strict"
import { X509Certificate, createHash } from "node:crypto"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { launch, visit } from "../browser.mjs"
import { addresses, closeCleanly, closeTab, connections, many, panic, sayGoodbye, serve, shareOneConnection, tmp, ways } from "../sockets.mjs"
import { before, test } from "../tests.mjs"

const protocol = "HTTP/3.0"
const repeat = 5000

let server
before(async () => (server = await serve("http3")))

// visitAlone opens the server's page over HTTP/3, in a browser of its own. Features are those that Chromium has switched off.
async function visitAlone(of, features = ["EnableWebsocketsOverHttp3"]) {
  const key = new X509Certificate(readFileSync(join(tmp, "cert.pem"))).publicKey.export({ type: "spki", format: "der" })
  const browser = await launch(
    "--no-proxy-server",
    "--host-resolver-rules=MAP localhost 127.0.0.1", // QUIC does not try the next address
    `--origin-to-force-quic-on=${of.host}`,
    `--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`,
    `--enable-features=${features.join(",")}`,
  )
  const visitor = await visit(browser, of.url)
  assert.equal(await visitor.page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol), "h3")
  return { ...visitor, browser, server: of }
}

test("twenty sockets and the page on one connection, compressed", async () => {
  const from = server.lines.length
  const visitor = await visitAlone(server)
  await shareOneConnection({ ...visitor, protocol, from, repeat })
  await visitor.browser.close()
})

for (const way of ways) {
  test(`clean closes from both sides, 40 of 40, and a tab that is closed: ${way}`, async () => {
    const from = server.lines.length
    const visitor = await visitAlone(server)
    await closeCleanly({ ...visitor, url: server.socket(way), n: 40, repeat })
    await closeTab({ ...visitor, way })
    await server.count(/^socket: HTTP\/3.0 CONNECT /, 85, from)
    await visitor.browser.close()
  })
}

test("a handler that panics", async () => {
  const { page, browser } = await visitAlone(server)
  for (const way of ["handler", "poller"]) await panic({ page, url: server.socket(way) })
  await browser.close()
})

test("left to itself, Chromium opens the sockets of a page of HTTP/3 over HTTP/1.1", async () => {
  const from = server.lines.length
  const { page, browser } = await visitAlone(server, [])
  const seen = await page.evaluate(many, { url: server.socket("handler"), n: 3, end: "page", repeat })
  assert.ok(seen.every((s) => s.wasClean && s.code === 3001), JSON.stringify(seen))
  await server.count(/^socket: HTTP\/1.1 /, 3, from)
  await browser.close()
})

test("a server that stops says goodbye, and ends", async () => {
  const visitor = await visitAlone(await serve("http3"))
  await sayGoodbye({ ...visitor, protocol })
  await visitor.browser.close()
})

// nat forwards to a port, from an address that changes with every call of rebind.
async function nat(port) {
  const front = createSocket("udp4")
  let back
  let client
  front.on("message", (data, from) => {
    client = from
    back.send(data, port, "127.0.0.1")
  })
  const rebind = async () => {
    back?.close()
    back = createSocket("udp4").on("message", (data) => front.send(data, client.port, client.address))
    await once(back.bind(0, "127.0.0.1"), "listening")
  }
  await rebind()
  await once(front.bind(0, "127.0.0.1"), "listening")
  const stop = () => [front, back].forEach((socket) => socket.close())
  return { host: `localhost:${front.address().port}`, rebind, stop }
}

// A QUIC connection is no address (RFC 9000, 9): routers forget, and Chromium itself takes another port where packets
// were long on their way, as they are on a busy machine.
test("a connection that comes from another address carries its sockets on", async (t) => {
  const router = await nat(new URL(server.url).port)
  t.after(router.stop)
  const from = server.lines.length
  const { page, browser } = await visitAlone({ host: router.host, url: `https://${router.host}/` })
  const url = `wss://${router.host}/handler`
  await page.evaluate((url) => new Promise((resolve) => {
    window.old = new WebSocket(url)
    old.onopen = resolve
  }), url)
  await router.rebind()
  const echo = await page.evaluate(() => new Promise((resolve) => {
    old.onmessage = ({ data }) => resolve(data)
    old.onclose = ({ code }) => resolve(code)
    old.send("still here")
  }))
  assert.equal(echo, "still here")
  const [seen] = await page.evaluate(many, { url, n: 1, end: "page" })
  assert.ok(seen.wasClean && seen.code === 3001, JSON.stringify(seen))
  const requests = await server.count(/^(page|socket): HTTP\/3.0 /, 3, from)
  assert.equal(connections(requests), 1, requests.join("\n"))
  assert.equal(addresses(requests), 2, requests.join("\n"))
  await browser.close()
})
