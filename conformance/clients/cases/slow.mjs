// Readers that stop reading while 20 MB pass: the hub lets go of them, nobody else notices, and they get
// everything when they come back.

import { until } from "../lib/clock.mjs"

export const name = "slow readers"

const count = 320
const pad = "x".repeat(60_000)
const patient = { pingInterval: 60_000 } // the client would let go itself

export async function run(scene) {
  const direct = `ws://127.0.0.1:${scene.hub.port}/cable`
  const lanes = [
    ["@anycable/core", { kind: "anycable", settings: patient }],
    ["cable.js", { kind: "cablejs", settings: patient }],
  ]
  const clients = await Promise.all(lanes.map(([, lane]) => scene.client({ ...lane, topics: ["fat"] })))
  const reader = await scene.client({ kind: "anycable", topics: ["fat"], url: direct, settings: patient })
  await Promise.all([...clients, reader].map((client) => client.has("on")))
  await scene.publish("fat")
  await Promise.all([...clients, reader].map((client) => client.has("message")))
  scene.gate.frozen = true
  for (let n = 1; n < count; n += 10) await scene.publish("fat", Math.min(10, count - n), pad)
  const slow = await until(5000, async () => (await scene.hub.metrics()).lazyrealtime_connections_slow_total)
  scene.gate.thaw()
  const rows = await Promise.all(lanes.map(async ([what], i) => {
    await until(15_000, async () => (await clients[i].numbers()).at(-1) === count, 200)
    return judge(`${what}, of ${slow} that the hub has let go`, await clients[i].numbers())
  }))
  return [...rows, await undisturbed(scene, reader)]
}

function judge(what, numbers) {
  const reordered = numbers.filter((n, i) => i > 0 && n < numbers[i - 1]).length
  return { what, lost: count - new Set(numbers).size, doubled: numbers.length - new Set(numbers).size, reordered }
}

// undisturbed is the reader next to them: it had each message soon after it was published.
async function undisturbed(scene, reader) {
  const { events } = await reader.record()
  const came = new Map(events.filter(([kind]) => kind === "message").map(([, , n, , at]) => [n, at]))
  const delays = scene.ledger.topic("fat").map(({ n, ackedAt }) => came.get(n) - ackedAt)
  const row = judge(`a reader beside them, at most ${Math.round(Math.max(...delays))} ms behind the acknowledgement`, [...came.keys()])
  return { ...row, late: delays.filter((ms) => !(ms < 2000)).length }
}
