// A page is refreshed by morphing (Turbo 8), and something is published between the server's taking the list and
// the morph: it came to the old page, and the new one is older.

import { sleep, until } from "../lib/clock.mjs"
import { verdict, withPages } from "../lib/listed.mjs"

export const name = "published while a morphed page was on its way"

export const run = (scene) => withPages(scene, async (all) => [
  await morph(all, { kind: "element" }, "<cable-stream>"),
  await morph(all, { kind: "turbo-rails", fresh: 1 }, "turbo-rails, the element has an id that changes"),
  // The element is kept, with its subscription, and does not look at its position again.
  { ...(await morph(all, { kind: "turbo-rails" }, "turbo-rails")), expected: { lost: 1 } },
], { pause: 800 })

async function morph({ scene, open, publish }, query, what) {
  const page = await open({ ...query, morph: 1 })
  const shows = (n) => until(5000, () => page.evaluate((n) => document.getElementById(`item-${n}`) !== null, n))
  await publish()
  await shows(scene.ledger.last("list"))
  const morphed = page.evaluate(() => new Promise((resolve) => addEventListener("turbo:morph", resolve, { once: true })).then(() => true))
  const fetching = page.evaluate(() => new Promise((resolve) => addEventListener("turbo:before-fetch-request", resolve, { once: true })).then(() => true))
  await page.evaluate(() => globalThis.Turbo.renderStreamMessage('<turbo-stream action="refresh"></turbo-stream>'))
  await fetching
  await sleep(300)
  await publish()
  await shows(scene.ledger.last("list"))
  await morphed
  return verdict(scene, page, what, 2500)
}
