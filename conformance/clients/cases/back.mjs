// Somebody leaves a page in the moment when a message has come and is not shown yet: Turbo shows it with the
// next frame, which is the next page's. They come back with the browser's button, and Turbo shows the page as
// it was.

import { sleep, until } from "../lib/clock.mjs"
import { verdict, withPages } from "../lib/listed.mjs"

export const name = "left before the frame was shown, and back"

export const run = (scene) => withPages(scene, async (all) => [
  await back(all, "element", "<cable-stream>"),
  await back(all, "turbo-rails", "turbo-rails"),
  // The client counts a message as received when it hands it on, and comes back behind it.
  { ...(await back(all, "anycable", "@anycable/turbo-stream")), expected: 1 },
])

async function back({ scene, open, publish }, kind, what) {
  const page = await open({ kind })
  const shows = (n) => until(5000, () => page.evaluate((n) => document.getElementById(`item-${n}`) !== null, n))
  await publish()
  await shows(scene.ledger.last("list"))
  // From now on frames come late, as on a busy machine. The next page has been fetched and waits for one; the
  // message comes, and waits for it behind the page.
  await page.evaluate(async () => {
    const soon = globalThis.requestAnimationFrame.bind(globalThis)
    globalThis.requestAnimationFrame = (act) => setTimeout(() => soon(act), 1500)
    const fetched = new Promise((resolve) => addEventListener("turbo:before-fetch-response", resolve, { once: true }))
    globalThis.Turbo.visit("/list?kind=none")
    await fetched
  })
  await sleep(100)
  await publish()
  await until(8000, () => page.evaluate(() => document.querySelector("#list") === null))
  await sleep(100)
  await page.evaluate(() => history.back())
  await until(8000, () => page.evaluate(() => document.querySelector("#list") !== null))
  await publish()
  return verdict(scene, page, what)
}
