// Servers as processes. Their output is kept line by line, for tests to wait for.

import { spawn } from "node:child_process"
import { once } from "node:events"

export const patience = 60_000 // ms, for what must come: a busy machine is slow

const running = new Set()

// Whatever ends the tests ends what they have started.
process.on("exit", () => running.forEach(({ child }) => child.kill("SIGKILL")))
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1))

// stopProcesses stops what runs still, and returns it with its exit codes.
export function stopProcesses() {
  return Promise.all(Array.from(running, async (process) => ({ name: process.name, lines: process.lines, code: await process.stop() })))
}

export class Process {
  lines = []
  #waiting = new Set()
  #ended = false

  constructor(command, args) {
    this.name = command
    this.child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
    running.add(this)
    this.exited = once(this.child, "close") // when all its output has been read
    this.exited.then(() => {
      running.delete(this)
      this.#ended = true
      this.#check()
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      let rest = ""
      stream.setEncoding("utf8").on("data", (data) => {
        const lines = (rest + data).split("\n")
        rest = lines.pop()
        this.lines.push(...lines)
        this.#check()
      })
    }
  }

  // count waits until there are n lines like that, from the line with the number `from` on, and returns all that there are.
  count(pattern, n, from = 0) {
    return new Promise((resolve, reject) => {
      const check = (late = false) => {
        const found = this.lines.slice(from).filter((line) => pattern.test(line))
        if (found.length >= n) resolve(found)
        else if (!late && !this.#ended) return
        else reject(new Error(`${this.name} said ${found.length} and not ${n} times ${pattern}:\n${this.lines.slice(from).join("\n")}`))
        this.#waiting.delete(check)
        clearTimeout(timer)
      }
      const timer = setTimeout(check, patience, true)
      this.#waiting.add(check)
      check()
    })
  }

  // line waits for one line, and returns its match.
  async line(pattern, from = 0) {
    const [line] = await this.count(pattern, 1, from)
    return line.match(pattern)
  }

  // stop asks the process to end, and returns its exit code; null if it had to be killed.
  async stop() {
    this.child.kill("SIGTERM")
    const timer = setTimeout(() => this.child.kill("SIGKILL"), patience)
    const [code] = await this.exited
    clearTimeout(timer)
    return code
  }

  #check() {
    for (const check of this.#waiting) check()
  }
}
