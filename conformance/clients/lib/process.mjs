// Processes that we start, with their output by lines.

import { spawn } from "node:child_process"
import { once } from "node:events"

// Nothing that we started outlives us.
const running = new Set()
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")))
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1))

export class Process {
  lines = []
  #waiting = new Set()

  constructor(command, args, options = {}) {
    this.name = command
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], ...options })
    running.add(this.child)
    this.exited = once(this.child, "exit")
    this.exited.then(() => running.delete(this.child))
    this.exited.then(() => this.#check())
    for (const stream of [this.child.stdout, this.child.stderr]) this.#read(stream)
  }

  #read(stream) {
    let rest = ""
    stream.setEncoding("utf8").on("data", (data) => {
      const lines = (rest + data).split("\n")
      rest = lines.pop()
      this.lines.push(...lines)
      this.#check()
    })
  }

  get over() {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  // line waits for a line of output.
  line(pattern) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const line = this.lines.find((line) => pattern.test(line))
        if (line !== undefined) resolve(line.match(pattern))
        else if (!this.over) return
        else reject(new Error(`${this.name} ended before it said ${pattern}:\n${this.lines.join("\n")}`))
        this.#waiting.delete(check)
      }
      this.#waiting.add(check)
      check()
    })
  }

  // end sends a signal and waits for the end: {code, signal}.
  async end(signal) {
    if (!this.over) this.child.kill(signal)
    const [code, by] = await this.exited
    return { code, signal: by }
  }

  #check() {
    for (const check of this.#waiting) check()
  }
}
