// Reads what the hub's log holds, by the protocol, to compare it with the ledger.

import WebSocket from "ws"

// readLog returns all that is retained of a topic, as [n, offset].
export function readLog(port, topic) {
  return new Promise((resolve, reject) => {
    const identifier = JSON.stringify({ channel: "$pubsub", stream_name: topic })
    const socket = new WebSocket(`ws://127.0.0.1:${port}/cable`, "actioncable-v1-ext-json")
    const held = []
    socket.on("error", reject)
    socket.on("close", () => reject(new Error("the log's reader was cut")))
    socket.on("message", (data) => {
      const { type, message, offset } = JSON.parse(data)
      if (type === "welcome") socket.send(JSON.stringify({ command: "subscribe", identifier, history: { since: 1 } }))
      if (type === "reject_history") reject(new Error(`the history of ${topic} was refused`))
      if (type === undefined) held.push([message.n ?? Number(message.match(/data-n="(\d+)"/)[1]), offset])
      if (type === "confirm_history") socket.removeAllListeners("close").close(), resolve(held)
    })
  })
}

// judgeLog compares a topic's log with the ledger: it holds each message once, in the order of publishing, at
// the offset that the acknowledgement named.
export function judgeLog(held, ledger) {
  const total = { messages: held.length, lost: 0, doubled: 0, reordered: 0 }
  const offsets = new Map()
  let most = 0
  for (const [n, offset] of held) {
    if (offsets.has(n)) total.doubled++
    else if (n < most) total.reordered++
    offsets.set(n, offset)
    most = Math.max(most, n)
  }
  for (const { n, at } of ledger) if (offsets.get(n) !== at.offset) total.lost++
  return total
}
