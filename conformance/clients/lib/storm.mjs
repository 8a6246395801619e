// One storm: a hub, two proxies that misbehave, publishers, and clients of all kinds. It rages for some rounds;
// after each there is peace, and everybody catches up.

import { Worker } from "node:worker_threads"

import { now, sleep, until } from "./clock.mjs"
import { Hub } from "./hub.mjs"
import { item } from "./pages.mjs"
import { Proxy, war } from "./proxy.mjs"
import { Ledger, Publisher } from "./publisher.mjs"
import { Random } from "./random.mjs"

export const topics = ["news", "talk"]
const all = [...topics, "list"]
const pad = "x".repeat(200)
const plain = (topic) => (n) => ({ t: topic, n, pad })
const data = (topic) => (topic === "list" ? item(topic) : plain(topic))

// Answers of /_broadcast are lost as often as they come; stalls are short, for somebody waits.
const intakeWar = { ...war, cuts: 0.4, reach: 800, silences: 0.01, stalls: 0.02 }

export class Storm {
  topics = topics
  events = { "cuts of all at once": 0, "kill -9": 0, drains: 0 }
  pages = [] // {page, lane}
  workers = []
  complaints = []
  #deeds = []

  constructor({ seed, dir }) {
    Object.assign(this, { seed, dir })
    this.random = new Random(`${seed}/storm`)
    this.ledger = new Ledger()
  }

  async start(origin) {
    const { seed, dir } = this
    const flags = ["-ping", "1s", "-drain", "500ms"]
    this.hub = await new Hub(dir, { name: `storm-${seed}`, origins: [origin], flags }).start()
    this.proxy = await new Proxy(this.hub.port, { seed, name: "clients" }).listen()
    this.intake = await new Proxy(this.hub.port, { seed, name: "publishers" }).listen()
    this.url = `ws://127.0.0.1:${this.proxy.port}/cable`
    this.publisher = new Publisher(this.intake.port, this.ledger, new Random(`${seed}/publishers`))
    await this.#beacon()
  }

  // script returns the client that the hub serves.
  async script() {
    return (await fetch(`http://127.0.0.1:${this.hub.port}/cable.js`)).text()
  }

  // work starts clients in Node: one thread for each skew of the clock.
  async work(lanes) {
    const skews = [...new Set(lanes.map(({ skew }) => skew ?? 0))]
    this.workers = await Promise.all(skews.map(async (skew) => {
      const clients = lanes.filter((lane) => (lane.skew ?? 0) === skew)
      const worker = new Worker(new URL("../in/worker.mjs", import.meta.url), {
        workerData: { url: this.url, skew, seed: this.seed, topics, clients },
      })
      worker.on("error", (error) => this.complaints.push(`a thread has ended: ${error.stack}`))
      await answer(worker)
      return worker
    }))
  }

  // browse opens a page for each lane.
  async browse(browser, origin, lanes) {
    for (const lane of lanes) {
      const url = `${origin}${lane.list ? "/list" : "/plain"}?${new URLSearchParams(lane)}`
      this.pages.push({ lane, page: await browser.open(url) })
    }
  }

  // rage is bad weather for some seconds, and everybody publishes.
  async rage(seconds) {
    this.proxy.rage(war)
    this.intake.rage(intakeWar)
    const end = now() + seconds * 1000
    const publishing = all.map((topic) => this.#publish(topic, end))
    while (now() < end) {
      await sleep(this.random.int(800, 2500))
      if (this.#deeds.length === 0) this.#deeds = shuffled(["kill", "drain", "cut", "cut"], this.random)
      await this[this.#deeds.pop()]()
    }
    this.proxy.heal()
    this.intake.heal()
    await Promise.all(publishing)
  }

  async #publish(topic, end) {
    const { random } = this.publisher
    while (now() < end) {
      const count = random.chance(0.15) ? random.int(2, 12) : 1
      await this.publisher.publish(topic, data(topic), count)
      await sleep(random.int(0, topic === "list" ? 300 : 80))
    }
  }

  async cut() {
    this.events["cuts of all at once"]++
    this.proxy.cutAll()
  }

  async kill() {
    this.events["kill -9"]++
    await this.hub.kill()
    await sleep(this.random.int(0, 500))
    await this.hub.start()
  }

  async drain() {
    this.events.drains++
    await this.hub.drain()
    await this.hub.start()
  }

  // stay ends the wandering.
  async stay() {
    for (const worker of this.workers) worker.postMessage("settle")
    await Promise.all(this.pages.map(({ page }) => inPage(page, "settle")))
  }

  // caughtUp waits until nobody is behind, and returns who still is. One more message is published each second,
  // for clients who missed the last one while they were away.
  async caughtUp(ms, { wanderers }) {
    let behind = []
    for (const end = now() + ms; now() < end; ) {
      await this.#beacon()
      const done = await until(1200, async () => (behind = await this.#behind(wanderers)).length === 0, 150)
      if (done) return []
    }
    return behind
  }

  #beacon() {
    return Promise.all(all.map((topic) => this.publisher.publish(topic, data(topic))))
  }

  async #behind(wanderers) {
    const lasts = (await Promise.all(this.workers.map((worker) => ask(worker, "last")))).flat()
    const pages = this.pages.filter(({ lane }) => !lane.hopeless && (wanderers || !lane.moves))
    const late = ({ last }) => topics.some((topic) => last[topic] !== this.ledger.last(topic))
    const names = lasts.filter((one) => (wanderers || !one.moves) && late(one)).map(({ name }) => name)
    for (const { lane, page } of pages) {
      if (lane.mortal && (await inPage(page, "state")).dead > 0) continue
      if (lane.forgetful && (await this.#received(page))) continue
      if (lane.list ? !(await this.shows(page, lane)) : late({ last: await inPage(page, "last") })) names.push(lane.name)
    }
    return names
  }

  // shows says whether a page shows the log of the list: in its order, or if the lane is not strict, in any.
  async shows(page, { strict }) {
    const numbers = await inPage(page, "list")
    if (!strict) numbers.sort((a, b) => a - b)
    return numbers.join() === this.ledger.topic("list").map(({ n }) => n).join()
  }

  // received says whether everything that a page does not show has come to it.
  async #received(page) {
    const [shown, came] = [new Set(await inPage(page, "list")), new Set(await inPage(page, "came"))]
    return this.ledger.topic("list").every(({ n }) => shown.has(n) || came.has(n))
  }

  async records() {
    const records = (await Promise.all(this.workers.map((worker) => ask(worker, "records")))).flat()
    for (const { lane, page } of this.pages) if (!lane.list) records.push(await inPage(page, "take"))
    return records
  }

  async end() {
    await Promise.all(this.workers.map((worker) => worker.terminate()))
    await Promise.all(this.pages.map(({ page }) => page.close()))
    this.proxy.close()
    this.intake.close()
    await this.hub.drain()
  }
}

const answer = (worker) => new Promise((resolve) => worker.once("message", resolve))

// inPage calls a function of the page's script, which runs once the page has loaded.
export async function inPage(page, name) {
  await page.waitForFunction(() => globalThis.suite !== undefined)
  return page.evaluate((name) => globalThis.suite[name](), name)
}

function ask(worker, question) {
  worker.postMessage(question)
  return answer(worker)
}

function shuffled(list, random) {
  return list.map((item) => [random.float(), item]).sort(([a], [b]) => a - b).map(([, item]) => item)
}
