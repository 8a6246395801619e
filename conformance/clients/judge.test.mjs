// Whether the judges see what they are there to see.

import assert from "node:assert/strict"
import { test } from "node:test"

import { judges } from "./lanes.mjs"
import { judgeLog } from "./lib/log.mjs"
import { Random } from "./lib/random.mjs"

// record writes events down as they are named: a number is a message, the others their kind. "cut" is a new
// connection. Everything is on the wire, and besides what `wire` names.
function record(events, wire = []) {
  let connection = 1
  const list = []
  for (const event of events) {
    if (event === "cut") connection++
    else if (typeof event === "number") list.push(["message", "t", event, connection, event * 10 + 5])
    else list.push([event, "t", 0, connection, 0])
  }
  const frames = [...list.filter(([kind]) => kind === "message"), ...wire.map((n) => ["message", "t", n, 1])]
  return { events: list, wire: frames }
}

// ledger is a log of n messages; the i-th was published at i * 10.
const ledger = (n) => ({ topic: () => Array.from({ length: n }, (_, i) => ({ n: i + 1, begun: (i + 1) * 10, at: { offset: i + 1 } })) })

const table = [
  ["exact", ["on", 1, 2, 3, "cut", "on", 4], 4, {}],
  ["exact", ["on", 1, 3, 4], 4, { lost: 1 }],
  ["exact", ["on", 1, 2, 2, 3], 3, { doubled: 1 }],
  ["exact", ["on", 1, 3, 2], 3, { reordered: 1 }],
  ["exact", ["on", 1, 2], 4, { lost: 2 }],
  ["exact", ["on", 3, 4], 4, { lost: 2 }],
  ["exact", ["on"], 2, { lost: 2 }],
  ["exact", [], 2, { lost: 2 }],
  ["exact", ["on", 1, "gap", 2], 2, { gaps: 1 }],
  ["positions", ["on", 3, 4], 4, {}],
  ["positions", ["on", 2, 4], 4, { lost: 1 }],
  ["connected", ["on", 1, 2, "cut", "on", 5, 6], 6, {}],
  ["connected", ["on", 1, 3, "cut", "on", 5, 6], 6, { lost: 1 }],
  ["connected", ["on", 1, 2, "cut", "on", 2, 3], 3, {}],
  ["connected", ["on", 1, 2, 1], 2, { doubled: 1 }],
  ["connected", ["on", 2, 1], 2, { reordered: 1 }],
  ["connected", ["on", 1, 2], 3, { lost: 1 }],
  ["connectedWandering", ["on", 1, "off", "on", 3], 3, {}],
  ["connectedWandering", ["on", 1, "off", "on", 3, 2], 3, { reordered: 1 }],
  ["wandering", ["on", 1, "off", "on", 3], 3, { lost: 1 }],
  ["wandering", ["on", 1, "off", "on", 3, 3], 3, { lost: 1, doubled: 1 }],
]

for (const [judge, events, n, wrong] of table) {
  test(`${judge} of ${n}: ${events.join(" ")}`, () => {
    const { lost, doubled, reordered, gaps } = judges[judge](record(events), ledger(n), ["t"])
    assert.deepEqual({ lost, doubled, reordered, gaps }, { lost: 0, doubled: 0, reordered: 0, gaps: 0, ...wrong })
  })
}

// The client has been given 1, has closed the channel, and got 2 and 3 on its next connection.
test("what a client throws away behind a close of its own is apart", () => {
  const confirmation = ["confirm_subscription", null, null, 2, 29, null, `{"identifier":"{\\"stream_name\\":\\"t\\"}"}`]
  const [two, three] = [["message", "t", 2, 2, 30], ["message", "t", 3, 2, 31]]
  const on = ["on", "t", 0, 1, 5], one = ["message", "t", 1, 1, 15], closed = ["closed", "t", 0, 1, 20], four = ["message", "t", 4, 3, 45]
  const lostOf = (events, wire) => judges.positions({ events, wire }, ledger(4), ["t"])
  const { lost, apart } = lostOf([on, one, closed, four], [confirmation, two, three])
  assert.deepEqual([lost, apart["thrown away behind a close"]], [0, 2])
  assert.equal(lostOf([on, one, closed, four], [two, three]).lost, 2, "not confirmed")
  assert.equal(lostOf([on, one, four], [confirmation, two, three]).lost, 2, "not closed")
  assert.equal(lostOf([on, one, closed, ["message", "t", 2, 2, 30], four], [confirmation, two, three]).lost, 1, "given something since")
  assert.equal(lostOf([on, one, closed, four], [confirmation, two]).lost, 1, "not on the wire")
})

test("what arrived for a subscription that had been left is apart", () => {
  const { lost, apart } = judges.wandering(record(["on", 1, "off", "on", 3], [2]), ledger(3), ["t"])
  assert.deepEqual([lost, apart["arrived while unsubscribed"]], [0, 1])
})

test("the log", () => {
  const { topic } = ledger(3)
  const none = { lost: 0, doubled: 0, reordered: 0 }
  const counts = (held) => {
    const { messages, ...counts } = judgeLog(held, topic())
    return counts
  }
  assert.deepEqual(counts([[1, 1], [2, 2], [3, 3]]), none)
  assert.deepEqual(counts([[1, 1], [3, 3]]), { ...none, lost: 1 })
  assert.deepEqual(counts([[1, 1], [2, 2], [2, 4], [3, 3]]), { ...none, doubled: 1, lost: 1 })
  assert.deepEqual(counts([[2, 2], [1, 1], [3, 3]]), { ...none, reordered: 1 })
  assert.deepEqual(counts([[1, 1], [2, 3], [3, 3]]), { ...none, lost: 1 }, "at another offset than was acknowledged")
})

test("a seed gives the same numbers again, evenly", () => {
  const numbers = (seed) => Array.from({ length: 1000 }, ((random) => () => random.float())(new Random(seed)))
  assert.deepEqual(numbers(1), numbers("1"))
  assert.notDeepEqual(numbers(1), numbers(2))
  const mean = numbers(1).reduce((a, b) => a + b) / 1000
  assert.ok(mean > 0.45 && mean < 0.55, `${mean}`)
})
