// What cable.js publishes, through connections that are cut at any byte and a hub that is killed: what it was
// promised is in the log, once, at the position that it was told, and in the order of publishing; and it
// gets all of it back.

import WebSocket from "ws"

import { Cable } from "../../../lazyrealtime/js/cable.js"
import { now, sleep, until } from "../lib/clock.mjs"
import { judgeLog, readLog } from "../lib/log.mjs"
import { Proxy, war } from "../lib/proxy.mjs"
import { Random } from "../lib/random.mjs"

export const name = "publishing by cable.js, cut and killed"
export const flags = ["-ping", "1s", "-publish"]

const seconds = 15
const least = 300 // messages, however slow the machine is...
const longest = 60 // ... within so many seconds
const weather = { ...war, reach: 12_000 }
const quick = { pingInterval: 1000, backoffBase: 50, backoffCap: 400, restartWindow: 300 }

// ws reports every failed connection as an error that somebody must listen to.
class Quiet extends WebSocket {
  constructor(...args) {
    super(...args)
    this.on("error", () => {})
  }
}

// Writer publishes 1, 2, 3... to a topic of its own, as long as fewer than most have no answer.
class Writer {
  promised = [] // {n, at}: at is the position, null as long as there is none
  refused = []
  received = []

  constructor(cable, topic, { most, pause }) {
    Object.assign(this, { topic, most, pause })
    this.subscription = cable.stream(topic, ({ n }) => this.received.push(n))
  }

  get unanswered() {
    return this.promised.filter(({ at }) => at === null).length
  }

  async publish(over, random) {
    while (!over()) {
      if (this.unanswered < this.most) this.#next()
      await sleep(this.pause ? random.int(0, this.pause) : 1)
    }
  }

  #next() {
    const message = { n: this.promised.length + 1, at: null }
    this.promised.push(message)
    this.subscription.publish({ n: message.n, pad: "x".repeat(message.n % 300) }).then(
      (at) => (message.at = at),
      (error) => this.refused.push(error.message),
    )
  }
}

export async function run(scene) {
  const random = new Random("publish")
  const proxy = await new Proxy(scene.hub.port, { seed: "publish", name: "writers", temper: weather }).listen()
  const cables = [1, 2].map(() => new Cable(`ws://127.0.0.1:${proxy.port}/cable`, { ...quick, env: { WebSocket: Quiet } }))
  const writers = [
    new Writer(cables[0], "calm", { most: 5, pause: 60 }),
    new Writer(cables[0], "steady", { most: 30, pause: 30 }),
    new Writer(cables[1], "greedy", { most: 50, pause: 0 }), // faster than it may, too
  ]
  const kills = await storm(scene, proxy, writers, random)
  proxy.heal()
  await until(20_000, () => writers.every(({ unanswered, promised, received }) => unanswered === 0 && received.length === promised.length))
  const rows = await Promise.all(writers.map((writer) => judge(scene, writer, `${proxy.connections} connections, ${kills} kills`)))
  const total = writers.reduce((sum, { promised }) => sum + promised.length, 0)
  rows.push({ what: "messages enough", late: total < least ? 1 : 0 }, await tooLarge(writers[0]))
  for (const cable of cables) cable.close()
  proxy.close()
  return rows
}

async function storm(scene, proxy, writers, random) {
  const begun = now()
  const count = () => writers.reduce((sum, { promised, unanswered }) => sum + promised.length - unanswered, 0)
  const over = () => now() > begun + (count() < least ? longest : seconds) * 1000
  const publishing = writers.map((writer) => writer.publish(over, random))
  let kills = 0
  while (!over()) {
    await sleep(random.int(300, 1500))
    if (random.chance(0.7)) {
      proxy.cutAll()
      continue
    }
    kills++
    await scene.hub.kill()
    await sleep(random.int(0, 300))
    await scene.hub.start()
  }
  await Promise.all(publishing)
  return kills
}

async function judge(scene, { topic, promised, refused, received }, weather) {
  const held = await readLog(scene.hub.port, topic)
  const { lost, doubled, reordered } = judgeLog(held, promised.map(({ n, at }) => ({ n, at: at ?? {} })))
  const back = received.filter((n, i) => n !== i + 1).length + Math.abs(promised.length - received.length)
  const what = `${topic}: ${promised.length} messages, ${weather}${refused.length > 0 ? `; ${refused[0]}` : ""}`
  return { what, lost: lost + back, doubled, reordered }
}

// tooLarge: a frame that the hub does not even read ends the connection, once, and what is behind it goes on.
async function tooLarge({ subscription }) {
  const [large, small] = await Promise.allSettled([subscription.publish("x".repeat(300_000)), subscription.publish("small")])
  const good = large.reason?.reason === "too_large" && small.value?.offset > 0
  return { what: `one of 300 kB: ${large.reason?.message}`, lost: good ? 0 : 1 }
}
