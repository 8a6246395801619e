// A page with one client that hands on plain messages. config comes from the page.

import { Random } from "../lib/random.mjs"
import { fickle } from "./fickle.mjs"
import { Record } from "./record.mjs"

const { kind, name, judge, cable: url, topics, seed, moves } = globalThis.config

const kinds = {
  async rails(o) {
    const { actioncable } = await import("./actioncable.mjs")
    return actioncable({ ...o, ActionCable: await import("@rails/actioncable") })
  },
  async anycable(o) {
    const { anycable } = await import("./anycable.mjs")
    const { backoffWithJitter } = await import("@anycable/core")
    return anycable({ ...o, AnyCable: await import("@anycable/web"), backoffWithJitter })
  },
  async cablejs(o) {
    const { cablejs } = await import("./cablejs.mjs")
    return cablejs({ ...o, Cable: (await import("/cable.js")).Cable })
  },
}

const record = new Record(name, judge)
const client = await kinds[kind]({ WebSocket, url, topics, record })
const settle = moves ? fickle(client, topics, new Random(`${seed}/${name}`)) : () => {}

globalThis.suite = {
  settle,
  last: () => record.last,
  take() {
    client.close()
    return { name, judge, events: record.events, wire: record.wire }
  },
}
