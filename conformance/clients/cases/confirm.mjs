// What AnyCable's client makes of a connection that ends, or stands still, between its subscribe and the
// confirmation.

import { sleep, until } from "../lib/clock.mjs"

export const name = "between subscribe and confirm"
export const flags = ["-ping", "3s"]

export async function run(scene) {
  return [await cut(scene), await stalled(scene)]
}

// cut: the client closes the channel for good, without an error. Who subscribes again loses nothing: the client
// still has the positions.
async function cut(scene) {
  const client = await scene.client({ kind: "anycable", topics: ["room"] })
  await client.has("on")
  await scene.publish("room", 3)
  await client.has("message", 3)
  scene.gate.cut()
  scene.gate.holding = true // of the next connection, nothing comes but what release lets through
  await scene.publish("room", 3)
  scene.gate.onUp = (data) => data[0] === 0x81 && scene.gate.cut() // its first frame: subscribe
  const welcomes = setInterval(() => {
    scene.gate.release()
    scene.gate.holding = true
  }, 5)
  await client.has("closed")
  clearInterval(welcomes)
  scene.gate.onUp = () => {}
  scene.gate.release()
  await scene.publish("room")
  await until(8000, async () => (await client.numbers()).includes(7))
  const numbers = await client.numbers()
  const closed = (await client.record()).events.filter(([kind]) => kind === "closed").length
  return {
    what: `cut: closed by the client ${closed > 0 ? "for good" : "never"}, subscribed again by the page`,
    lost: 7 - new Set(numbers).size, doubled: numbers.length - new Set(numbers).size,
  }
}

// stalled: after five seconds the client repeats its subscribe. If both are confirmed it takes the second
// confirmation for one that it has not asked for, and unsubscribes, while the channel says that it is connected.
async function stalled(scene) {
  scene.gate.holding = true
  let subscribed = 0
  scene.gate.onUp = (data) => (data[0] === 0x81 ? subscribed++ : 0)
  const client = await scene.client({ kind: "anycable", topics: ["hall"], settings: { pingInterval: 3000 } })
  const welcomes = setInterval(() => {
    if (subscribed > 0) return clearInterval(welcomes)
    scene.gate.release()
    scene.gate.holding = true
  }, 5)
  await until(8000, () => subscribed >= 2)
  await sleep(100)
  scene.gate.onUp = () => {}
  scene.gate.release()
  await client.has("on")
  await sleep(300)
  await scene.publish("hall", 5)
  await until(1500, async () => (await client.numbers()).length === 5)
  const numbers = await client.numbers()
  const commands = (await client.record()).wire.map(([kind]) => kind).filter((kind) => /subs/.test(kind))
  return { what: `stalled for five seconds: ${commands.join(", ")}`, lost: 5 - new Set(numbers).size, doubled: numbers.length - new Set(numbers).size }
}
