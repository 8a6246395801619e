// What a case stands on: a hub and a gate of its own, a publisher that nothing disturbs, clients in threads.

import { Worker } from "node:worker_threads"

import { until } from "./clock.mjs"
import { Gate } from "./gate.mjs"
import { Hub } from "./hub.mjs"
import { Ledger, Publisher } from "./publisher.mjs"
import { Random } from "./random.mjs"

export class Scene {
  ledger = new Ledger()
  #workers = []

  async start(dir, name, flags = ["-ping", "1s"]) {
    this.hub = await new Hub(dir, { name, flags }).start()
    this.gate = await new Gate(this.hub.port).listen()
    this.publisher = new Publisher(this.hub.port, this.ledger, new Random(name))
    return this
  }

  publish(topic, count = 1, pad = "") {
    return this.publisher.publish(topic, (n) => ({ t: topic, n, pad }), count)
  }

  // client starts one client in a thread: {kind, settings, skew}.
  async client({ skew = 0, topics, url = this.gate.url, ...lane }) {
    const worker = new Worker(new URL("../in/worker.mjs", import.meta.url), {
      workerData: { url, skew, seed: 0, topics, clients: [{ judge: "", name: "client", ...lane }] },
    })
    this.#workers.push(worker)
    const client = new Client(worker)
    await client.answer()
    return client
  }

  async end() {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
    this.gate.close()
    await this.hub.drain()
    return this.hub.complaints
  }
}

// Client is a client in another thread.
class Client {
  constructor(worker) {
    this.worker = worker
  }

  answer() {
    return new Promise((resolve) => this.worker.once("message", resolve))
  }

  async record() {
    this.worker.postMessage("look")
    return (await this.answer())[0]
  }

  // has waits until a number of events of a kind have been written down.
  has(kind, n = 1, ms = 15_000) {
    return until(ms, async () => (await this.record()).events.filter(([k]) => k === kind).length >= n)
  }

  async numbers() {
    return (await this.record()).events.filter(([kind]) => kind === "message").map(([, , n]) => n)
  }
}
