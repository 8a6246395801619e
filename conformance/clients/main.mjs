// The suite: cases, each about one thing, and storms, about everything at once. See README.md.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"

import { Browser } from "./lib/browser.mjs"
import { now } from "./lib/clock.mjs"
import { secret } from "./lib/hub.mjs"
import { judgeLog, readLog } from "./lib/log.mjs"
import { Pages } from "./lib/pages.mjs"
import { Scene } from "./lib/scene.mjs"
import { inPage, Storm, topics } from "./lib/storm.mjs"
import { inChromium, inNode, judges, lists } from "./lanes.mjs"
import { Table } from "./lib/table.mjs"

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", multiple: true, default: ["1", "2"] },
    rounds: { type: "string", default: "2" },
    seconds: { type: "string", default: "8" },
    soak: { type: "string" },
    "no-cases": { type: "boolean", default: false },
    "no-storms": { type: "boolean", default: false },
  },
})

const started = now()
const say = (text) => console.log(`${((now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}`)
const dir = mkdtempSync(join(tmpdir(), "golazy-clients-"))
const reports = new URL("./reports/", import.meta.url).pathname
const failures = []

// A run that hangs fails: what it should take, and ten minutes.
const limit = (Number(options.soak ?? 0) + 10) * 60_000
setTimeout(() => {
  for (const failure of failures) console.log(`! ${failure}`)
  say("the run hangs")
  process.exit(1)
}, limit).unref()

// ---- cases ----

const cases = ["clock", "confirm", "slow", "sse", "back", "morph", "fire", "publish"]

async function runCase(file) {
  const { run, name, flags } = await import(`./cases/${file}.mjs`)
  const scene = await new Scene().start(dir, file, flags)
  const rows = await run(scene)
  for (const complaint of await scene.end()) failures.push(`${name}: ${complaint}`)
  return { name, rows }
}

const kinds = ["lost", "doubled", "reordered", "late"]

// good: a case has brought what it should, exactly: better is news, too.
const good = (row) => kinds.every((kind) => (row[kind] ?? 0) === (row.expected?.[kind] ?? 0))

function showCases(all) {
  for (const { name, rows } of all) {
    console.log(`\n${name}`)
    for (const row of rows) {
      if (!good(row)) failures.push(`${name}: ${row.what}: ${JSON.stringify(row)}`)
      const counts = kinds.slice(0, 3).map((kind) => `${row[kind] ?? 0} ${kind}${row.expected?.[kind] ? " by the client itself" : ""}`)
      console.log(`  ${good(row) ? " " : "!"} ${row.what}: ${counts.join(", ")}`)
    }
  }
}

// ---- storms ----

async function runStorm(seed, browser, pages, table) {
  const storm = new Storm({ seed, dir })
  pages.storm = storm
  await storm.start(pages.origin)
  await storm.browse(browser, pages.origin, [...inChromium, ...lists])
  await storm.work(inNode)
  const before = failures.length
  for (let round = 1; round <= Number(options.rounds); round++) {
    await storm.rage(Number(options.seconds))
    const last = round === Number(options.rounds)
    if (last) await storm.stay()
    const behind = await storm.caughtUp(20_000, { wanderers: last })
    table.round(behind, { wanderers: last })
    for (const name of behind) failures.push(`seed ${seed}, round ${round}: ${name} has not caught up`)
  }
  await judge(storm, table)
  if (failures.length > before) await keep(storm)
  await storm.end()
  failures.push(...[...storm.complaints, ...storm.hub.complaints].map((text) => `seed ${seed}: ${text}`))
  say(`seed ${seed}: ${Object.entries(storm.events).map(([what, n]) => `${n} ${what}`).join(", ")}; ` +
    `${storm.proxy.cuts} of ${storm.proxy.connections} connections were cut; ` +
    `${storm.publisher.requests} requests to publish, ${storm.publisher.unanswered} of them without an answer`)
}

async function judge(storm, table) {
  for (const topic of [...topics, "list"]) {
    fail(storm, `the log of ${topic}`, judgeLog(await readLog(storm.hub.port, topic), storm.ledger.topic(topic)), table)
  }
  storm.taken = await storm.records()
  for (const record of storm.taken) fail(storm, record.name, judges[record.judge](record, storm.ledger, topics), table)
  for (const { lane, page } of storm.pages) if (lane.list) await judgePage(storm, table, lane, page)
}

async function judgePage(storm, table, lane, page) {
  const [shows, inOrder] = [await storm.shows(page, lane), await storm.shows(page, { strict: true })]
  table.page(lane, await inPage(page, "state"), { shows, inOrder })
}

function fail(storm, name, verdict, table) {
  table.add(name, verdict)
  const { lost, doubled, reordered, gaps = 0, numbers = [] } = verdict
  if (lost + doubled + reordered + gaps === 0) return
  failures.push(`seed ${storm.seed}: ${name}: ${lost} lost, ${doubled} doubled, ${reordered} reordered, ${gaps} gaps: ${numbers.slice(0, 10)}`)
}

// keep writes down what was recorded in a storm that has failed.
async function keep(storm) {
  mkdirSync(reports, { recursive: true })
  const file = join(reports, `seed-${storm.seed}.json`)
  const shown = await Promise.all(storm.pages.filter(({ lane }) => lane.list).map(({ page }) => inPage(page, "take")))
  const ledger = Object.fromEntries([...topics, "list"].map((topic) => [topic, storm.ledger.topic(topic)]))
  writeFileSync(file, JSON.stringify({ ledger, records: storm.taken, pages: shown, hub: storm.hub.process.lines }))
  say(`seed ${storm.seed} has failed: ${file}`)
}

// seeds are the given ones, or with --soak as many as there is time for, from the first on.
function* seeds() {
  if (options["no-storms"]) return
  if (!options.soak) return yield* options.seed
  const end = now() + Number(options.soak) * 60_000
  for (let n = Number(options.seed[0]); now() < end; n++) yield String(n)
}

// ---- all ----

try {
  const pages = await new Pages(secret).start()
  const browser = await new Browser().start()
  const table = new Table()
  const caseRuns = options["no-cases"] ? [] : await Promise.all(cases.map(runCase))
  showCases(caseRuns)
  for (const seed of seeds()) await runStorm(seed, browser, pages, table)
  failures.push(...browser.complaints)
  await browser.end()
  await pages.end()
  console.log(`\n${table}`)
} catch (error) {
  failures.push(error.stack)
}
rmSync(dir, { recursive: true, force: true })
say(failures.length === 0 ? "nothing lost, doubled or reordered" : `${failures.length} failures:`)
for (const failure of failures) console.log(`! ${failure}`)
process.exit(failures.length === 0 ? 0 : 1)
