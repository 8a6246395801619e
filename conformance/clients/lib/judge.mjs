// What was lost, doubled and reordered, by the ledger and a client's record. Each judge returns
//   messages    how many the client was given
//   lost, doubled, reordered   what it was promised and did not get as promised: must be 0
//   gaps        that it was told of: must be 0 here, where everything is retained
//   apart       what the client brings upon itself, by what it is called

const group = (events, key) => Map.groupBy?.(events, key) ?? events.reduce((m, e) => m.set(key(e), [...(m.get(key(e)) ?? []), e]), new Map())

// order counts repeats, and messages that came behind a later one.
function order(numbers) {
  const seen = new Set()
  let most = 0
  let doubled = 0
  let reordered = 0
  for (const n of numbers) {
    if (seen.has(n)) doubled++
    else if (n < most) reordered++
    seen.add(n)
    most = Math.max(most, n)
  }
  return { seen, doubled, reordered }
}

function missing(seen, from, to) {
  const numbers = []
  for (let n = from; n <= to; n++) if (!seen.has(n)) numbers.push(n)
  return numbers
}

function sum(into, part) {
  for (const [key, value] of Object.entries(part)) {
    if (typeof value === "number") into[key] = (into[key] ?? 0) + value
    else if (Array.isArray(value)) into[key] = [...(into[key] ?? []), ...value]
    else into[key] = sum(into[key] ?? {}, value)
  }
  return into
}

// byTopic judges each topic alone and adds up.
const byTopic = (one) => (record, ledger, topics) => {
  const events = group(record.events, ([, topic]) => topic)
  const total = { messages: 0, lost: 0, doubled: 0, reordered: 0, gaps: 0, apart: {}, numbers: [] }
  for (const topic of topics) sum(total, one(events.get(topic) ?? [], ledger.topic(topic), record, topic))
  return total
}

const numbersOf = (events) => events.filter(([kind]) => kind === "message").map(([, , n]) => n)
const count = (events, kind) => events.filter(([k]) => k === kind).length

// sinceConfirmed is the first message whose publishing began after the first confirmation.
function sinceConfirmed(events, log) {
  const on = events.find(([kind]) => kind === "on")
  return on ? (log.find(({ begun }) => begun > on[4])?.n ?? log.length + 1) : 1
}

// thrownAway finds what came behind its confirmation, to a client that had closed the channel by itself and
// been told to subscribe again: AnyCable's keeps such messages until it has handled the confirmation, forgets
// them if a disconnect has come with it, and has counted them as received.
function thrownAway(numbers, events, wire, topic) {
  const given = (at) => events.findLast(([kind, , , , t]) => t < at && (kind === "message" || kind === "closed"))
  const confirmed = (connection, i) => wire.slice(0, i).some(([kind, , , on, , , frame]) =>
    kind === "confirm_subscription" && on === connection && frame.includes(`\\"${topic}\\"`))
  const away = new Set()
  for (const [i, [kind, t, n, connection, at]] of wire.entries()) {
    if (kind !== "message" || t !== topic || given(at)?.[0] !== "closed") continue
    if (confirmed(connection, i)) away.add(n)
  }
  return numbers.filter((n) => away.has(n))
}

// exact: every message once, in order, from the first one that the client got to the log's last. What was
// published after the first confirmation and before the first message counts as lost, too, unless the
// client had no position to come back with (head is "apart"): nothing had come when it was cut.
export const exact = ({ head = "lost" } = {}) => byTopic((events, log, record, topic) => {
  const numbers = numbersOf(events)
  const { seen, doubled, reordered } = order(numbers)
  const first = numbers.length > 0 ? Math.min(...numbers) : log.length + 1
  const early = missing(seen, sinceConfirmed(events, log), first - 1)
  const absent = missing(seen, first, log.length)
  const away = head === "apart" ? thrownAway(absent, events, record.wire, topic) : []
  const lost = absent.filter((n) => !away.includes(n))
  const dropped = [...lost, ...early].filter((n) => record.wire.some(([kind, t, m]) => kind === "message" && t === topic && m === n))
  const hole = head === "lost" ? [...lost, ...early] : lost
  return {
    messages: numbers.length, lost: hole.length, doubled, reordered, gaps: count(events, "gap"),
    apart: {
      ...(head === "apart" && { "before the first message": early.length, "thrown away behind a close": away.length }),
      "closed by the client": count(events, "closed"),
      "of the lost, were on the wire": dropped.length,
    },
    numbers: hole.map((n) => `${topic}/${n}`),
  }
})

// connected: in order and without repeats on each connection, and nothing missing between a confirmation and
// the end of that connection or subscription. What is published while the client is away is not promised.
// wandering is a client that leaves and comes back on the same connection: a confirmation may be an earlier
// subscription's then, and only order is promised.
export const connected = ({ wandering = false } = {}) => byTopic((events, log, record, topic) => {
  const total = { messages: 0, lost: 0, doubled: 0, reordered: 0, gaps: count(events, "gap"), apart: {}, numbers: [] }
  const all = new Set(numbersOf(events))
  for (const one of group(events, ([, , , connection]) => connection).values()) {
    const { doubled, reordered } = order(numbersOf(one))
    const lost = wandering ? [] : holes(one)
    sum(total, { messages: numbersOf(one).length, doubled, reordered, lost: lost.length, numbers: lost.map((n) => `${topic}/${n}`) })
  }
  const missed = missing(all, sinceConfirmed(events, log), log.length).length - total.lost
  const tail = log.length - Math.max(0, ...all)
  total.lost += tail
  if (tail > 0) total.numbers.push(`${topic}: the last ${tail}`)
  total.apart["published while away"] = missed - tail
  return total
})

// holes are the messages between the first and the last of a connection after its confirmation.
function holes(events) {
  const on = events.findIndex(([kind]) => kind === "on")
  const numbers = on < 0 ? [] : numbersOf(events.slice(on))
  return numbers.length === 0 ? [] : missing(new Set(numbers), Math.min(...numbers), Math.max(...numbers))
}

// wandering: in order and without repeats, whatever the client left and came back to; between coming back
// and leaving nothing is missing; and the last message was there. What arrived for a subscription that the
// client had just left is not the hub's to bring again: the client has counted it as received.
export const wandering = () => byTopic((events, log, record, topic) => {
  const numbers = numbersOf(events)
  const { seen, doubled, reordered } = order(numbers)
  const first = numbers.length > 0 ? Math.min(...numbers) : log.length + 1
  const onWire = new Set(record.wire.filter(([kind, t]) => kind === "message" && t === topic).map(([, , n]) => n))
  const absent = missing(seen, first, log.length)
  const lost = absent.filter((n) => !onWire.has(n))
  return {
    messages: numbers.length, lost: lost.length, doubled, reordered, gaps: count(events, "gap"),
    apart: { "arrived while unsubscribed": absent.length - lost.length, "closed by the client": count(events, "closed") },
    numbers: lost.map((n) => `${topic}/${n}`),
  }
})
