// Random numbers that come again with their seed.

export class Random {
  #state

  constructor(seed) {
    this.#state = hash(String(seed))
  }

  // float returns a number in [0, 1): mulberry32.
  float() {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  // int returns a whole number from least to most.
  int(least, most) {
    return least + Math.floor(this.float() * (most - least + 1))
  }

  chance(probability) {
    return this.float() < probability
  }

  pick(list) {
    return list[this.int(0, list.length - 1)]
  }

  // skewed returns a number up to most whose logarithm is even: small ones are as likely as large ones.
  skewed(most) {
    return Math.floor(Math.exp(this.float() * Math.log(most + 1))) - 1
  }
}

// hash is FNV-1a of a text.
function hash(text) {
  let h = 0x811c9dc5
  for (const c of text) h = Math.imul(h ^ c.codePointAt(0), 0x01000193)
  return h
}
