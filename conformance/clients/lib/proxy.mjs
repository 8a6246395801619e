// A TCP proxy that misbehaves. What becomes of the n-th connection follows from the seed and n alone:
// after which byte it is cut, in which direction, and how; whether it stalls, or crumbles what it forwards.

import { once } from "node:events"
import net from "node:net"

import { Random } from "./random.mjs"

// A connection's fate.
//   down, up   bytes from and to the server before it is cut; Infinity: never
//   how        "reset", "end" (FIN) or "silence" (nothing is forwarded any more, and nobody is told)
//   stall      {after, ms}: the server's bytes are not read for a time, from a byte on; null: they are
//   crumble    whether the server's bytes come in small pieces
const peace = { down: Infinity, up: Infinity, how: "end", stall: null, crumble: false }

export const war = { cuts: 0.85, reach: 60_000, silences: 0.08, stalls: 0.2, crumbles: 0.15 }

function fate(random, { cuts, reach, silences, stalls, crumbles }) {
  const fate = { ...peace, how: random.chance(silences) ? "silence" : random.pick(["reset", "reset", "end"]) }
  if (random.chance(cuts)) fate[random.chance(0.75) ? "down" : "up"] = random.skewed(reach)
  if (random.chance(stalls)) fate.stall = { after: random.skewed(reach / 4), ms: random.int(200, 4000) }
  fate.crumble = random.chance(crumbles)
  return fate
}

export class Proxy {
  connections = 0 // so far
  cuts = 0
  #links = new Set()
  #temper // what fates are drawn from; null: peace

  // name distinguishes the proxies of a seed.
  constructor(port, { seed = 0, name = "", temper = null } = {}) {
    this.to = port
    this.#temper = temper
    this.draw = (n) => (this.#temper ? fate(new Random(`${seed}/${name}/${n}`), this.#temper) : peace)
  }

  async listen() {
    this.server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
    this.server.listen(0, "127.0.0.1")
    await once(this.server, "listening")
    this.port = this.server.address().port
    return this
  }

  // cutAll resets every connection.
  cutAll() {
    for (const link of this.#links) link.cut("reset")
  }

  // rage gives the connections to come fates by a temper, and heal none, and ends those that were silenced.
  rage(temper) {
    this.#temper = temper
  }

  heal() {
    this.#temper = null
    for (const link of this.#links) link.heal()
  }

  close() {
    this.server.close()
    for (const link of this.#links) link.cut("reset")
  }

  links() {
    return [...this.#links]
  }

  #accept(client) {
    const link = new Link(this, client, this.draw(this.connections++))
    this.#links.add(link)
    link.ended.then(() => this.#links.delete(link))
  }
}

// Link is a connection through the proxy: from is the server's side.
class Link {
  #sent = { down: 0, up: 0 }
  #silent = false
  #stalled = false
  #ending = false // its cut waits for the last bytes
  #ended = false // it has been cut

  constructor(proxy, client, fate) {
    this.proxy = proxy
    this.fate = { ...fate }
    this.client = client
    this.server = net.connect({ port: proxy.to, host: "127.0.0.1", allowHalfOpen: true, noDelay: true })
    this.ended = new Promise((resolve) => (this.#end = resolve))
    this.#pipe("down", this.server, client)
    this.#pipe("up", client, this.server)
  }
  #end

  #pipe(way, from, to) {
    from.on("data", (data) => this.forward(way, from, to, data))
    from.on("end", () => this.#silent || to.end())
    from.on("error", () => {}) // close follows
    from.on("close", () => {
      if (to.destroyed) this.#end()
      else if (!this.#silent && !from.readableEnded) to.resetAndDestroy()
    })
    to.on("drain", () => this.#stalled || from.resume())
  }

  // forward forwards what the connection's fate lets through.
  forward(way, from, to, data) {
    if (this.#silent || this.#ending || to.destroyed) return
    const left = this.fate[way] - this.#sent[way]
    const part = data.subarray(0, Math.max(0, Math.min(left, data.length)))
    this.#sent[way] += part.length
    if (part.length < data.length) {
      this.#ending = true
      to.write(part, () => this.cut(this.fate.how))
      return
    }
    if (way === "down" && this.fate.crumble) this.#crumble(from, to, part)
    else if (!to.write(part)) from.pause()
    if (way === "down") this.#stall(from)
  }

  // crumble forwards small pieces, one in each turn of the event loop.
  async #crumble(from, to, data) {
    this.#stalled = true
    from.pause()
    for (let at = 0, n = 1; at < data.length; at += n, n = 1 + ((n * 7 + at) % 97)) {
      to.write(data.subarray(at, at + n))
      await new Promise(setImmediate)
    }
    this.#stalled = false
    from.resume()
  }

  #stall(from) {
    const { stall } = this.fate
    if (!stall || this.#sent.down < stall.after) return
    this.fate = { ...this.fate, stall: null, crumble: false }
    this.#stalled = true
    from.pause()
    setTimeout(() => {
      this.#stalled = false
      from.resume()
    }, stall.ms)
  }

  // cut ends the connection, in a way.
  cut(how) {
    if (this.client.destroyed && this.server.destroyed) return
    if (!this.#ended) this.proxy.cuts++
    this.#ended = true
    if (how === "silence") {
      this.#silent = true
      this.client.on("end", () => this.client.end()) // who gives up may go
      this.client.on("close", () => this.server.resetAndDestroy())
      return
    }
    this.fate = { ...this.fate, down: 0, up: 0 }
    if (how === "end") {
      this.client.end()
      this.server.end()
      setTimeout(() => this.#destroy(), 50)
    } else {
      this.#destroy()
    }
  }

  #destroy() {
    for (const socket of [this.client, this.server]) if (!socket.destroyed) socket.resetAndDestroy()
  }

  heal() {
    if (this.#silent) this.#destroy()
    this.fate = { ...this.fate, down: Infinity, up: Infinity, stall: null }
  }
}
