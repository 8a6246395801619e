// Clients that are cut several times a second while messages come as fast as one publisher can publish: each
// coming back is a replay that runs into what is live.

import { sleep, until } from "../lib/clock.mjs"
import { Random } from "../lib/random.mjs"
import { exact } from "../lib/judge.mjs"

export const name = "cut all the time, under fire"

const seconds = 8
const pad = "x".repeat(1000)
const quick = { anycable: { backoff: 10 }, cablejs: { backoffBase: 20, backoffCap: 40 } }

export async function run(scene) {
  const random = new Random("fire")
  const kinds = ["anycable", "anycable", "anycable", "cablejs", "cablejs", "cablejs"]
  const clients = await Promise.all(kinds.map((kind) => scene.client({ kind, settings: quick[kind], topics: ["fire"] })))
  await Promise.all(clients.map((client) => client.has("on")))
  await scene.publish("fire")
  await Promise.all(clients.map((client) => client.has("message")))
  let over = false
  const publishing = publish(scene, random, () => over)
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    scene.gate.shut = true
    scene.gate.cut()
    await sleep(random.int(0, 400))
    scene.gate.shut = false
    await sleep(random.int(60, 200))
  }
  over = true
  await publishing
  const last = scene.ledger.last("fire")
  return Promise.all(clients.map(async (client, i) => {
    await until(10_000, async () => (await client.numbers()).at(-1) === last, 200)
    const record = await client.record()
    const { lost, doubled, reordered, gaps } = exact()(record, scene.ledger, ["fire"])
    const connections = Math.max(...record.events.map(([, , , connection]) => connection))
    return { what: `${kinds[i]}, ${last} messages over ${connections} connections`, lost: lost + gaps, doubled, reordered }
  }))
}

async function publish(scene, random, over) {
  while (!over()) await scene.publish("fire", random.int(1, 3), pad)
}
