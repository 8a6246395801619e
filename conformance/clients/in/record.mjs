// What a client was given, and what came over its wire. Runs in Node and in the browser.

import { now } from "../lib/clock.mjs"

export class Record {
  events = [] // [kind, topic, n, connection, time]: see below
  wire = [] // frames, pings apart: [kind, topic, n, connection, time, offset, the stream or the text]
  connection = 0 // the number of the client's last WebSocket
  last = {} // topic -> n of the last message

  constructor(name, judge) {
    this.name = name
    this.judge = judge // by which rules it is judged
  }

  // note writes down an event: "message" (the client handed one on), "on" (the subscription was confirmed),
  // "off" (we have ended it), "gap" (it was told of one), "closed" (the client has given up by itself).
  note(kind, topic, n = 0) {
    this.events.push([kind, topic, n, this.connection, now()])
    if (kind === "message") this.last[topic] = n
  }

  // message notes a message: an object with t and n, or HTML with data-t and data-n.
  message(data) {
    const { t, n } = parse(data)
    this.note("message", t, n)
  }

  // observe returns a WebSocket whose frames are written down; the client is none the wiser.
  observe(WebSocket) {
    const record = this
    return class extends WebSocket {
      constructor(...args) {
        super(...args)
        const connection = ++record.connection
        this.addEventListener("message", ({ data }) => record.#frame(connection, data))
      }

      send(data) {
        record.#frame(record.connection, data)
        super.send(data)
      }
    }
  }

  #frame(connection, text) {
    const frame = text.startsWith("{") ? JSON.parse(text) : { message: text }
    if (frame.type === "ping" || frame.command === "pong") return
    const { t, n } = frame.message ? parse(frame.message) : {}
    const kind = frame.command ?? frame.type ?? "message"
    this.wire.push([kind, t, n, connection, now(), frame.offset, kind === "message" ? frame.stream_id : text.slice(0, 600)])
  }
}

function parse(data) {
  if (typeof data !== "string") return data
  const [, t, n] = data.match(/data-t="([^"]+)" data-n="(\d+)"/) ?? []
  return { t, n: Number(n) }
}
