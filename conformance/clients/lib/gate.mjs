// A TCP proxy that does what a case tells it: for what must happen between two bytes.

import { once } from "node:events"
import net from "node:net"

export class Gate {
  shut = false // refuses connections
  holding = false // keeps back what the server sends
  frozen = false // does not even read it
  onUp = () => {} // sees what clients send, before it is forwarded
  #links = new Set()

  constructor(port) {
    this.to = port
  }

  async listen() {
    this.server = net.createServer({ noDelay: true }, (client) => this.#accept(client))
    this.server.listen(0, "127.0.0.1")
    await once(this.server, "listening")
    this.port = this.server.address().port
    this.url = `ws://127.0.0.1:${this.port}/cable`
    return this
  }

  #accept(client) {
    if (this.shut) return client.resetAndDestroy()
    const server = net.connect({ port: this.to, host: "127.0.0.1", noDelay: true })
    const link = { client, server, held: [] }
    this.#links.add(link)
    client.on("data", (data) => {
      this.onUp(data)
      server.write(data)
    })
    server.on("data", (data) => {
      if (this.holding) link.held.push(data)
      else client.write(data)
      if (this.frozen) server.pause()
    })
    for (const [socket, other] of [[client, server], [server, client]]) {
      socket.on("error", () => {})
      socket.on("close", () => {
        this.#links.delete(link)
        if (!this.holding && !this.frozen) other.destroy()
      })
    }
  }

  cut() {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }

  // thaw reads on.
  thaw() {
    this.frozen = false
    for (const { server } of this.#links) server.resume()
  }

  // release forwards what was kept back, or of each connection what choose takes from it.
  release(choose = (held) => held) {
    this.holding = false
    for (const link of this.#links) {
      link.client.write(choose(Buffer.concat(link.held)))
      link.held = []
    }
  }

  // finish ends the connections in peace (FIN), after what was kept back or a part of it.
  finish(choose) {
    const links = [...this.#links]
    this.release(choose)
    for (const { client } of links) client.end()
  }

  close() {
    this.server.close()
    this.cut()
  }
}

// frames splits what a server sends into WebSocket frames (RFC 6455, 5.2: not masked).
export function* frames(data) {
  for (let at = 0; at < data.length; ) {
    const short = data[at + 1] & 0x7f
    const [size, head] = short === 126 ? [data.readUInt16BE(at + 2), 4] : [short, 2]
    yield data.subarray(at, at + head + size)
    at += head + size
  }
}
