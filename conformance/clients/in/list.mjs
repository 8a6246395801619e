// A page of Turbo that shows a list. This module runs once: Turbo replaces the body.

import { Random } from "../lib/random.mjs"
import { Record } from "./record.mjs"

const { kind, name, cable: url, seed, moves, mend } = globalThis.config

const state = { name, loads: 0, appended: 0, unordered: 0, closed: 0, dead: 0 }
let numbers = ""
globalThis.suite = {
  settle() {},
  list: () => shown(),
  came: () => record.wire.filter(([kind]) => kind === "message").map(([, , n]) => n),
  state: () => state,
  take: () => ({ ...state, list: shown(), events: record.events, wire: record.wire, body: document.body.outerHTML.replace(/<li.*<\/li>/, "") }),
}

// What has happened is written down, for those who wonder.
const record = new Record(name)
globalThis.WebSocket = record.observe(WebSocket)

const shown = () => [...document.querySelectorAll("#list > li")].map((li) => Number(li.dataset.n))

// Whatever happens to the list, it is in order and nothing is twice in it, at every moment.
new MutationObserver(() => {
  const now = shown()
  if (now.join() === numbers) return
  numbers = now.join()
  record.note("shows", `${now.length}`, now.at(-1))
  if (now.some((n, i) => i > 0 && n <= now[i - 1])) state.unordered++
}).observe(document, { childList: true, subtree: true })

addEventListener("turbo:load", () => state.loads++)
for (const what of ["visit", "before-cache", "before-render", "render", "load", "morph"]) {
  addEventListener(`turbo:${what}`, () => record.note(what, location.search.slice(-6)))
}
addEventListener("turbo:before-stream-render", ({ target }) => {
  if (target.action === "append") state.appended++
  record.note(target.action, "", Number(target.innerHTML.match(/data-n="(\d+)"/)?.[1] ?? 0))
})

const start = {
  async "turbo-rails"() {
    const { Turbo, cable } = await import("@hotwired/turbo-rails")
    const consumer = await cable.getConsumer()
    consumer.connection.monitor.constructor.staleThreshold = 2 // six seconds by default
    return Turbo
  },
  async anycable() {
    const Turbo = await import("@hotwired/turbo")
    const { createCable } = await import("@anycable/web")
    const { backoffWithJitter } = await import("@anycable/core")
    const { start } = await import("@anycable/turbo-stream")
    start(createCable(url, {
      protocol: "actioncable-v1-ext-json", pingInterval: 1000, logLevel: "error",
      reconnectStrategy: backoffWithJitter(100, { maxInterval: 1500 }),
    }))
    return Turbo
  },
  async element() {
    const Turbo = await import("@hotwired/turbo")
    const { Cable, defineCableStream } = await import("/cable.js")
    defineCableStream(new Cable(url, { pingInterval: 1000, backoffBase: 100, backoffCap: 1500, restartWindow: 500 }))
    return Turbo
  },
  ws: () => import("@hotwired/turbo"),
  sse: () => import("@hotwired/turbo"),
}

const Turbo = await start[kind]()
globalThis.Turbo ??= Turbo

// ---- what a page can do about a client that gives up ----

// reload renders the page anew, as a refresh from the server does, until there is one.
const reload = () => Turbo.renderStreamMessage('<turbo-stream action="refresh"></turbo-stream>')

// A WebSocket of <turbo-stream-source> does not come back, nor does an EventSource that was answered with
// an error; a channel of AnyCable's client that is cut between subscribe and confirm is closed for good.
const watched = new WeakSet()
setInterval(() => {
  for (const source of document.querySelectorAll("turbo-stream-source")) {
    if (!(source.streamSource?.readyState >= 2)) continue // closing or closed
    if (!watched.has(source.streamSource)) state.dead++
    watched.add(source.streamSource)
    if (mend) reload()
  }
  for (const { channel } of document.querySelectorAll("turbo-cable-stream-source")) {
    if (!channel || channel.state !== "closed") continue
    if (!watched.has(channel)) state.closed++
    watched.add(channel)
    if (mend) reload()
  }
}, 200)

// ---- somebody who navigates fast ----

if (moves) {
  const random = new Random(`${seed}/${name}`)
  let timer
  const turn = () => {
    if (over) return
    const other = new URL(location.href)
    other.searchParams.set("side", other.searchParams.get("side") === "b" ? "a" : "b")
    const action = random.pick(["advance", "replace", "back"])
    if (action === "back" && globalThis.navigation.currentEntry.index > 0) {
      addEventListener("popstate", later, { once: true }) // a second one before that could leave the site
      return history.back()
    }
    Turbo.visit(other.href, { action: action === "back" ? "advance" : action })
    later()
  }
  let over = false
  const later = () => (timer = setTimeout(turn, random.chance(0.4) ? random.int(800, 3000) : random.int(20, 300)))
  setTimeout(later, 1000)
  globalThis.suite.settle = () => {
    over = true
    clearTimeout(timer)
  }
}
