// Clients in Node, in a thread of their own with a clock of their own. The parent names the clients, asks how
// far they are, and takes what they have written down.

import { parentPort, workerData } from "node:worker_threads"

const { url, skew, seed, topics, clients } = workerData

const RealDate = Date
if (skew !== 0) {
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      super(...(args.length > 0 ? args : [RealDate.now() + skew]))
    }
    static now = () => RealDate.now() + skew
  }
}

// What @rails/actioncable wants of a browser.
globalThis.addEventListener ??= () => {}
globalThis.removeEventListener ??= () => {}
globalThis.document ??= { visibilityState: "visible", hidden: false, addEventListener() {} }

const { default: WebSocket } = await import("ws")
const { default: ActionCable } = await import("@rails/actioncable")
const AnyCable = await import("@anycable/core")
const { Record } = await import("./record.mjs")
const { Random } = await import("../lib/random.mjs")
const { Cable } = await import("../../../lazyrealtime/js/cable.js")
const { actioncable } = await import("./actioncable.mjs")
const { anycable } = await import("./anycable.mjs")
const { cablejs } = await import("./cablejs.mjs")
const { fickle } = await import("./fickle.mjs")

// ws reports every failed connection as an error that somebody must listen to.
class Quiet extends WebSocket {
  constructor(...args) {
    super(...args)
    this.on("error", () => {})
  }
}

const kinds = {
  rails: (o) => actioncable({ ...o, ActionCable }),
  cablejs: (o) => cablejs({ ...o, Cable }),
  anycable: (o) => anycable({ ...o, AnyCable, backoffWithJitter: AnyCable.backoffWithJitter }),
}

const running = clients.map(({ kind, name, judge, settings, moves }) => {
  const record = new Record(name, judge)
  const client = kinds[kind]({ WebSocket: Quiet, url, topics, record, settings })
  const settle = moves ? fickle(client, topics, new Random(`${seed}/${name}`)) : () => {}
  return { record, client, settle, moves }
})

parentPort.on("message", (what) => {
  if (what === "settle") for (const { settle } of running) settle()
  if (what === "last") parentPort.postMessage(running.map(({ record: { name, last }, moves }) => ({ name, last, moves })))
  if (what === "records") for (const { client } of running) client.close()
  if (what === "records" || what === "look") {
    parentPort.postMessage(running.map(({ record: { name, judge, events, wire } }) => ({ name, judge, events, wire })))
  }
})
parentPort.postMessage("ready")
