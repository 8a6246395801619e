// A client of AnyCable that is cut before its first message has no position. It says since when it missed
// something, in whole seconds of its own clock: what comes of that.

import { until } from "../lib/clock.mjs"
import { frames } from "../lib/gate.mjs"

export const name = "cut before the first message, with nothing but since"
const hour = 3600_000

export async function run(scene) {
  const lanes = [
    ["clock right", {}, {}],
    ["clock -1 h", { skew: -hour }, {}],
    ["clock +1 h", { skew: hour }, { lost: 5 }],
    ["without historyTimestamp", { settings: { historyTimestamp: false } }, { lost: 5 }],
    ["cable.js, clock +1 h", { kind: "cablejs", skew: hour }, {}],
    ["cable.js, clock -1 h", { kind: "cablejs", skew: -hour }, {}],
  ]
  const clients = await Promise.all(lanes.map(([, lane], i) => scene.client({ kind: "anycable", ...lane, topics: [`quiet-${i}`] })))
  await Promise.all(clients.map((client) => client.has("on")))
  scene.gate.shut = true
  scene.gate.cut()
  await Promise.all(lanes.map((_, i) => scene.publish(`quiet-${i}`, 5)))
  scene.gate.shut = false
  await Promise.all(clients.map((client) => client.has("on", 2)))
  await Promise.all(lanes.map((_, i) => scene.publish(`quiet-${i}`)))
  const rows = await Promise.all(lanes.map(async ([what, , expected], i) => {
    await until(5000, async () => (await clients[i].numbers()).includes(6))
    const numbers = await clients[i].numbers()
    const lost = 6 - new Set(numbers).size
    return { what, lost, expected, doubled: numbers.length - new Set(numbers).size }
  }))
  return [...rows, await race(scene)]
}

// race: the clock is right, and still: the ping of the next second overtakes nothing, it only arrives late.
// since is when it arrived; what was published before that and was still on its way is older.
async function race(scene) {
  const client = await scene.client({ kind: "anycable", topics: ["late"] })
  await client.has("on")
  scene.gate.holding = true
  await scene.publish("late", 5)
  const second = Math.floor(Date.now() / 1000)
  await until(3000, () => Date.now() / 1000 > second + 1.3, 20)
  scene.gate.release((held) => [...frames(held)].findLast((frame) => frame.includes('"ping"')) ?? Buffer.alloc(0))
  await until(300, () => false)
  scene.gate.shut = true
  scene.gate.cut()
  scene.gate.shut = false
  await client.has("on", 2)
  await scene.publish("late")
  await until(5000, async () => (await client.numbers()).includes(6))
  const numbers = await client.numbers()
  return { what: "clock right, a ping that came late", lost: 6 - new Set(numbers).size, expected: { lost: 5 }, doubled: numbers.length - new Set(numbers).size }
}
