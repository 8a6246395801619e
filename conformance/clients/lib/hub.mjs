// The hub under test, a process with a SQLite file, which is killed and started again at the same port.

import { join } from "node:path"

import { freePort } from "../../../e2e/port.mjs"
import { now } from "./clock.mjs"
import { Process } from "./process.mjs"

export const secret = "the clients' secret, for this suite alone"
export const publishKey = "the clients' publish key, for this suite alone"

export class Hub {
  complaints = [] // lines of its log that are errors, and ends that nobody wanted

  // options: origins of pages, and further flags.
  constructor(dir, { name = "hub", origins = [], flags = [] } = {}) {
    this.store = join(dir, `${name}.db`)
    this.flags = [...origins.flatMap((origin) => ["-allow-origin", origin]), ...flags]
  }

  async start() {
    this.port ??= await freePort()
    this.process = new Process(process.env.CLIENTS_LAZYWS, [
      "hub", "-addr", `127.0.0.1:${this.port}`, "-store", this.store,
      "-public", "-publish-key", publishKey, "-secret", secret,
      "-retain-messages", "100000", "-log-level", "warn", ...this.flags,
    ])
    await this.process.line(/^hub: http/)
    return this
  }

  // kill ends the process as a power cut would, as far as a process can.
  async kill() {
    await this.#ended("SIGKILL")
  }

  // drain asks the process to end, and to send its clients away first.
  async drain() {
    const began = now()
    const { code } = await this.#ended("SIGTERM")
    if (code === 0) return
    this.complaints.push(`a drain ended with code ${code} after ${Math.round(now() - began)} ms: ${this.process.lines.slice(-3).join(" | ")}`)
  }

  async #ended(signal) {
    const early = this.process.over
    const end = await this.process.end(signal)
    if (early) this.complaints.push(`ended by itself, with code ${end.code}`)
    this.complaints.push(...this.process.lines.filter((line) => /level=ERROR|panic|DATA RACE|goroutine \d+ \[/.test(line)))
    return end
  }

  // metrics returns the counters since the last start.
  async metrics() {
    const text = await (await fetch(`http://127.0.0.1:${this.port}/metrics`)).text()
    const lines = text.split("\n").filter((line) => line.startsWith("lazyrealtime_"))
    return Object.fromEntries(lines.map((line) => line.split(" ")).map(([name, value]) => [name, Number(value)]))
  }
}
