// An EventSource over a drain that it comes back into, and over a cut before its first message. In Chromium,
// for Node has none.

import http from "node:http"
import { once } from "node:events"

import { Browser } from "../lib/browser.mjs"
import { sleep, until } from "../lib/clock.mjs"

export const name = "EventSource in Chromium, from /stream"

export async function run(scene) {
  const app = http.createServer((_, response) => response.end("<!doctype html>")).listen(0, "127.0.0.1")
  await once(app, "listening")
  const origin = `http://127.0.0.1:${app.address().port}`
  await scene.hub.drain()
  scene.hub.flags.push("-allow-origin", origin, "-drain", "6s")
  await scene.hub.start()
  const browser = await new Browser().start()
  const page = await browser.context.newPage()
  await page.goto(origin)
  try {
    return [await early(scene, page), await drained(scene, page), await truncated(scene, page)]
  } finally {
    await browser.end()
    app.close()
  }
}

const open = (page, scene, topic) => page.evaluate((url) => {
  const source = new EventSource(url)
  const one = { source, numbers: [] }
  source.onmessage = ({ data }) => one.numbers.push(JSON.parse(data).n)
  globalThis.sources = [...(globalThis.sources ?? []), one]
}, `http://127.0.0.1:${scene.gate.port}/stream?stream=${topic}`)

const states = (page) => page.evaluate(() => globalThis.sources.map(({ source: { readyState }, numbers }) => ({ readyState, numbers })))

// early: cut before anything has come.
async function early(scene, page) {
  await open(page, scene, "dawn")
  await until(5000, async () => (await states(page))[0].readyState === 1)
  await sleep(100)
  scene.gate.shut = true
  scene.gate.cut()
  await scene.publish("dawn", 5)
  scene.gate.shut = false
  await until(8000, async () => (await states(page))[0].readyState === 1)
  await scene.publish("dawn")
  await until(2000, async () => (await states(page))[0].numbers.includes(6))
  const [{ numbers }] = await states(page)
  return row("cut before the first message", numbers, 6)
}

// drained: three of them are sent away over six seconds, and the first one comes back before that is over.
async function drained(scene, page) {
  await page.evaluate(() => globalThis.sources.splice(0).forEach(({ source }) => source.close()))
  for (let n = 0; n < 3; n++) await open(page, scene, "dusk")
  await until(5000, async () => (await states(page)).every(({ readyState }) => readyState === 1))
  await scene.publish("dusk")
  await until(2000, async () => (await states(page)).every(({ numbers }) => numbers.length === 1))
  await scene.hub.drain()
  await scene.hub.start()
  await scene.publish("dusk", 3)
  await until(12_000, async () => (await states(page)).every(({ numbers, readyState }) => numbers.length === 4 || readyState === 2))
  const all = await states(page)
  const dead = all.filter(({ readyState }) => readyState === 2).length
  const rows = all.map(({ numbers }) => row("", numbers, 4))
  return { ...rows[0], what: `three over a drain, ${dead} of them dead for good`, lost: rows.reduce((sum, { lost }) => sum + lost, 0) }
}

// truncated: Chromium takes headers that end with the connection for complete ones, at least over plain HTTP:
// here they have no Content-Type yet, and that is final.
async function truncated(scene, page) {
  await page.evaluate(() => globalThis.sources.splice(0).forEach(({ source }) => source.close()))
  scene.gate.holding = true
  let asked = false
  scene.gate.onUp = () => (asked = true)
  await open(page, scene, "noon")
  await until(5000, () => asked)
  await sleep(300)
  scene.gate.finish((held) => held.subarray(0, 60))
  scene.gate.onUp = () => {}
  await until(5000, async () => (await states(page))[0].readyState === 2)
  await scene.publish("noon")
  await sleep(500)
  const [{ numbers, readyState }] = await states(page)
  return { ...row(`FIN within the headers of the answer: ${readyState === 2 ? "dead for good" : "alive"}`, numbers, 1), expected: { lost: 1 } }
}

function row(what, numbers, count) {
  const seen = new Set(numbers)
  return { what, lost: count - seen.size, doubled: numbers.length - seen.size, reordered: numbers.filter((n, i) => n < numbers[i - 1]).length }
}
