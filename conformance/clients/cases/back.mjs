// Turbo shows a message with the next frame. If a page is left before that, the frame is the next page's.

import { sleep, until } from "../lib/clock.mjs"
import { frames } from "../lib/gate.mjs"
import { verdict, withPages } from "../lib/listed.mjs"

export const name = "a message between the page and the next one"

export const run = (scene) => withPages(scene, async (all) => [
  await back(all, "element", "left before it was shown, and back: <cable-stream>"),
  await back(all, "turbo-rails", "the same: turbo-rails"),
  // The client counts a message as received when it hands it on, and comes back behind it.
  { ...(await back(all, "anycable", "the same: @anycable/turbo-stream")), expected: { lost: 1 } },
  await astray(all, "element", "shown by the next page, which is newer: <cable-stream>"),
  // Turbo moves the item to the list's end. One without an id would be there twice.
  { ...(await astray(all, "turbo-rails", "the same: turbo-rails")), expected: { reordered: 1 } },
])

const shows = (page, n) => until(8000, () => page.evaluate((n) => document.getElementById(`item-${n}`) !== null, n))

// leave goes to another page, which has been fetched when it returns, and waits for a frame: from now on they
// come late, as on a busy machine.
const leave = (page, path) => page.evaluate(async (path) => {
  const soon = globalThis.requestAnimationFrame.bind(globalThis)
  globalThis.requestAnimationFrame = (act) => setTimeout(() => soon(act), 700)
  const fetched = new Promise((resolve) => addEventListener("turbo:before-fetch-response", resolve, { once: true }))
  globalThis.Turbo.visit(path)
  await fetched
}, path)

// back: a message comes for a page that is about to be replaced. They come back with the browser's button, and
// Turbo shows the page as it was.
async function back({ scene, open, publish }, kind, what) {
  const page = await open({ kind })
  await publish()
  await shows(page, scene.ledger.last("list"))
  await leave(page, "/list?kind=none")
  await sleep(100)
  await publish()
  await until(8000, () => page.evaluate(() => document.querySelector("#list") === null))
  await sleep(100)
  await page.evaluate(() => history.back())
  await until(8000, () => page.evaluate(() => document.querySelector("#list") !== null))
  await publish()
  return verdict(scene, page, what)
}

// astray: of two messages the first one reaches a page late, when the next page, which has both in its list, is
// about to replace it.
async function astray({ scene, open, publish }, kind, what) {
  const page = await open({ kind })
  await publish()
  await shows(page, scene.ledger.last("list"))
  scene.gate.holding = true
  const first = scene.ledger.last("list") + 1
  await publish()
  await publish()
  await leave(page, `/list?kind=${kind}&name=&side=b`)
  await sleep(100)
  scene.gate.release((held) => [...frames(held)].find((frame) => frame.includes(`item-${first}\\`)) ?? Buffer.alloc(0))
  await sleep(100)
  scene.gate.shut = true
  scene.gate.cut()
  await until(8000, () => page.evaluate(() => location.search.includes("side=b") && document.querySelector("#list > li") !== null))
  await sleep(1500)
  scene.gate.shut = false
  return verdict(scene, page, what, 3000)
}
