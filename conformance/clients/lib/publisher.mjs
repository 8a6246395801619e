// Publishes over HTTP as programs do: the next message of a topic when the last one is acknowledged, and
// the same one again, with the same key, for as long as no answer comes. What a topic must hold, and
// when it was published, is written down in the ledger.

import http from "node:http"

import { now, sleep } from "./clock.mjs"
import { publishKey } from "./hub.mjs"

// Ledger is what was published: for each topic the messages 1, 2, 3...
export class Ledger {
  #topics = new Map()

  topic(name) {
    let topic = this.#topics.get(name)
    if (!topic) this.#topics.set(name, (topic = []))
    return topic
  }

  // last returns the number of a topic's last message.
  last(name) {
    return this.topic(name).length
  }

  // acked returns the number of the last message that was acknowledged, and its position.
  acked(name) {
    const topic = this.topic(name)
    let n = topic.length
    while (n > 0 && !topic[n - 1].at) n--
    return { n, at: n > 0 ? topic[n - 1].at : null }
  }
}

export class Publisher {
  requests = 0
  unanswered = 0

  constructor(port, ledger, random) {
    this.port = port
    this.ledger = ledger
    this.random = random
    this.run = `${process.pid}-${now()}`
  }

  // publish publishes the next message of a topic, or the next few in one request, for good.
  // data makes the data of a message from its number.
  async publish(name, data, count = 1) {
    const topic = this.ledger.topic(name)
    const messages = Array.from({ length: count }, () => {
      const message = { n: topic.length + 1, begun: now(), at: null, ackedAt: 0 }
      topic.push(message)
      return message
    })
    const items = messages.map(({ n }) => ({ stream: name, data: JSON.stringify(data(n)) }))
    const body = JSON.stringify(count === 1 ? items[0] : items)
    const positions = await this.#insist(`${this.run}/${name}/${messages[0].n}`, body)
    messages.forEach((message, i) => {
      message.at = count === 1 ? positions : positions[i]
      message.ackedAt = now()
    })
  }

  async #insist(key, body) {
    for (;;) {
      this.requests++
      try {
        const { status, text } = await post(this.port, key, body)
        if (status === 201) return JSON.parse(text)
        if (status !== 503) throw new Error(`publishing was answered with ${status}: ${text}`)
      } catch (error) {
        if (!error.code) throw error
      }
      this.unanswered++
      await sleep(this.random.int(5, 60))
    }
  }
}

// post sends a request; an answer that does not come in full is an error with a code.
function post(port, key, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: "127.0.0.1", port, path: "/_broadcast", method: "POST", agent: false, timeout: 3000,
      headers: { Authorization: `Bearer ${publishKey}`, "Idempotency-Key": key, "Content-Type": "application/json" },
    })
    const fail = (code) => reject(Object.assign(new Error(code), { code }))
    request.on("error", (error) => reject(Object.assign(error, { code: error.code ?? "EPROTO" })))
    request.on("timeout", () => request.destroy(Object.assign(new Error("time-out"), { code: "ETIMEDOUT" })))
    request.on("response", (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (data) => (text += data))
      response.on("end", () => (response.complete ? resolve({ status: response.statusCode, text }) : fail("EPIPE")))
      response.on("aborted", () => fail("EPIPE"))
      response.on("error", () => fail("EPIPE"))
    })
    request.end(body)
  })
}
