// Who takes part in a storm, and by which rules each is judged.

import { connected, exact, wandering } from "./lib/judge.mjs"

const hour = 3600_000

export const judges = {
  // cable.js learns where it stands from the confirmation on.
  exact: exact(),
  // @anycable's clients learn it from their first message.
  positions: exact({ head: "apart" }),
  wandering: wandering(),
  connected: connected(),
  connectedWandering: connected({ wandering: true }),
}

export const inNode = [
  { name: "@rails/actioncable", kind: "rails", judge: "connected" },
  { name: "@rails/actioncable, navigating", kind: "rails", judge: "connectedWandering", moves: true },
  { name: "@anycable/core base", kind: "anycable", judge: "connected", settings: { protocol: "actioncable-v1-json" } },
  ...[0, hour, -hour].flatMap((skew) => [
    { name: `@anycable/core${clock(skew)}`, kind: "anycable", judge: "positions", skew },
    { name: `@anycable/core, no historyTimestamp${clock(skew)}`, kind: "anycable", judge: "positions", skew, settings: { historyTimestamp: false } },
  ]),
  { name: "@anycable/core, navigating", kind: "anycable", judge: "wandering", moves: true },
  { name: `@anycable/core, navigating${clock(hour)}`, kind: "anycable", judge: "wandering", moves: true, skew: hour },
]

export const inChromium = [
  ...[0, hour, -hour].map((skew) => ({ name: `cable.js${clock(skew)}`, kind: "cablejs", judge: "exact", skew })),
  { name: "cable.js, navigating", kind: "cablejs", judge: "exact", moves: true },
  { name: "@anycable/web", kind: "anycable", judge: "positions" },
  { name: `@anycable/web${clock(hour)}`, kind: "anycable", judge: "positions", skew: hour },
  { name: "@rails/actioncable in Chromium", kind: "rails", judge: "connected" },
]

// Pages of Turbo.
//   mend       the page loads itself again when its client has given up
//   hopeless   it does not, and the client never comes back
//   mortal     the client gives up if it is cut in a certain moment
//   forgetful  the client counts as received what a page, left and restored, does not show
//   strict     the page shows the list in order: Turbo may render what a page was sent before it was left into
//              the next page, and only <cable-stream> sees to it
export const lists = [
  { name: "turbo-rails", kind: "turbo-rails" },
  { name: "turbo-rails, morphing", kind: "turbo-rails", morph: 1, fresh: 1 },
  { name: "turbo-rails, navigating", kind: "turbo-rails", moves: 1 },
  { name: "@anycable/turbo-stream, mended", kind: "anycable", mend: 1 },
  { name: "@anycable/turbo-stream, mended, navigating", kind: "anycable", mend: 1, moves: 1, forgetful: 1 },
  { name: "<cable-stream>", kind: "element" },
  { name: "<cable-stream>, morphing", kind: "element", morph: 1 },
  { name: "<cable-stream>, navigating", kind: "element", moves: 1 },
  { name: "<turbo-stream-source> SSE", kind: "sse", mortal: 1 },
  { name: "<turbo-stream-source> SSE, mended", kind: "sse", mend: 1 },
  { name: "<turbo-stream-source> WebSocket, mended", kind: "ws", mend: 1 },
  { name: "<turbo-stream-source> WebSocket", kind: "ws", hopeless: 1 },
].map((lane) => ({ ...lane, list: 1, ...(lane.kind === "element" && { strict: 1 }) }))

function clock(skew) {
  return skew === 0 ? "" : `, clock ${skew > 0 ? "+" : "-"}1 h`
}
