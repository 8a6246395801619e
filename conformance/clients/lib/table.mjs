// The table that the suite prints: a line for each client, summed up over all storms.

export class Table {
  #rows = new Map()
  #pages = new Map()
  #rounds = { all: 0, wanderers: 0 }
  #behind = new Map()

  add(name, { apart = {}, numbers, ...counts }) {
    const row = this.#rows.get(name) ?? {}
    for (const [key, n] of Object.entries({ ...counts, ...apart })) row[key] = (row[key] ?? 0) + n
    this.#rows.set(name, row)
  }

  // round notes who had not caught up after a round.
  round(behind, { wanderers }) {
    this.#rounds.all++
    if (wanderers) this.#rounds.wanderers++
    for (const name of behind) this.#behind.set(name, (this.#behind.get(name) ?? 0) + 1)
  }

  page({ name, moves, hopeless, forgetful }, { loads, appended, unordered, closed, dead }, { shows, inOrder }) {
    const row = this.#pages.get(name) ?? { moves, hopeless, forgetful, stale: 0, shuffled: 0, loads: 0, appended: 0, unordered: 0, ended: 0 }
    row.stale += shows ? 0 : 1
    row.shuffled += shows && !inOrder ? 1 : 0
    row.loads += loads
    row.appended += appended
    row.unordered += unordered
    row.ended += closed + dead
    this.#pages.set(name, row)
  }

  toString() {
    return `${this.#messages()}\n\n${this.#converged()}`
  }

  #messages() {
    const fixed = ["messages", "lost", "doubled", "reordered", "gaps"]
    const lines = [...this.#rows].map(([name, row]) => {
      const apart = Object.entries(row).filter(([key, n]) => !fixed.includes(key) && n > 0)
      return [name, ...fixed.map((key) => row[key] ?? ""), apart.map(([key, n]) => `${key}: ${n}`).join(", ")]
    })
    return align([["client", ...fixed, "apart"], ...lines])
  }

  #converged() {
    const lines = [...this.#pages].map(([name, row]) => {
      const rounds = row.moves ? this.#rounds.wanderers : this.#rounds.all
      const all = `${rounds - (this.#behind.get(name) ?? 0)}/${rounds}`
      const short = row.forgetful && row.stale > 0 ? `, ${row.stale} short of what had come` : ""
      const converged = row.stale > 0 && row.hopeless ? "never after a cut" : all + short
      return [name, converged, row.loads, row.appended, row.unordered, row.shuffled, row.ended]
    })
    return align([["page of Turbo", "converged", "renderings", "items appended", "moments out of order", "so at the end", "client gave up"], ...lines])
  }
}

// align makes columns: the first and the last ones text, the others numbers.
function align(lines) {
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => String(line[i]).length)))
  const cell = (text, i) => (i === 0 || i === lines[0].length - 1 ? String(text).padEnd(widths[i]) : String(text).padStart(widths[i]))
  return lines.map((line) => line.map(cell).join("  ").trimEnd()).join("\n")
}
