// For cases that look at a list in Chromium.

import { Browser } from "./browser.mjs"
import { until } from "./clock.mjs"
import { secret } from "./hub.mjs"
import { item, Pages } from "./pages.mjs"

// withPages runs a case with the pages of the application, which takes so many milliseconds between taking the list
// and answering.
export async function withPages(scene, run, { pause = 0 } = {}) {
  const pages = await new Pages(secret).start()
  const browser = await new Browser().start()
  await scene.hub.drain()
  scene.hub.flags.push("-allow-origin", pages.origin)
  await scene.hub.start()
  pages.storm = {
    ledger: scene.ledger, random: { int: () => pause }, seed: 0, proxy: scene.gate,
    script: async () => (await fetch(`http://127.0.0.1:${scene.hub.port}/cable.js`)).text(),
  }
  const publish = () => scene.publisher.publish("list", item("list"))
  const open = (query) => browser.open(`${pages.origin}/list?${new URLSearchParams({ name: "", ...query })}`)
  await publish()
  try {
    return await run({ scene, open, publish })
  } finally {
    await browser.end()
    await pages.end()
  }
}

// verdict compares what a page shows with the log, when it has had its time, and closes it.
export async function verdict(scene, page, what, ms = 8000) {
  const all = scene.ledger.last("list")
  const list = () => page.evaluate(() => globalThis.suite.list())
  await until(ms, async () => (await list()).join() === scene.ledger.topic("list").map(({ n }) => n).join())
  const numbers = await list()
  await page.close()
  const seen = new Set(numbers)
  return { what, lost: all - seen.size, doubled: numbers.length - seen.size, reordered: numbers.filter((n, i) => n < numbers[i - 1]).length }
}
