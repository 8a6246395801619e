// A client made with @anycable/core, or @anycable/web. Runs in Node and in the browser.

// The first attempts come sooner than by default (3 to 6 s), for the suite has little time.
const options = { pingInterval: 1000, logLevel: "error" }

export function anycable({ AnyCable, backoffWithJitter, WebSocket, url, topics, record, settings = {} }) {
  const { backoff = 100, ...others } = settings
  const cable = AnyCable.createCable(url, {
    protocol: "actioncable-v1-ext-json",
    websocketImplementation: record.observe(WebSocket),
    reconnectStrategy: backoffWithJitter(backoff, { maxInterval: 15 * backoff }),
    ...options,
    ...others,
  })
  const channels = new Map()
  let over = false
  const subscribe = (topic) => {
    const channel = cable.streamFrom(topic)
    channels.set(topic, channel)
    channel.on("connect", () => record.note("on", topic))
    channel.on("message", (message) => record.message(message))
    channel.on("info", ({ type }) => type === "history_not_found" && record.note("gap", topic))
    // A channel that is cut between subscribe and confirm is closed for good, without an error. A page
    // that wants to go on subscribes again, and the client still has the positions.
    channel.on("close", () => {
      if (over || channels.get(topic) !== channel) return
      record.note("closed", topic)
      setTimeout(() => over || channels.get(topic) !== channel || subscribe(topic), 20)
    })
  }
  topics.forEach(subscribe)
  return {
    leave(topic) {
      record.note("off", topic)
      const channel = channels.get(topic)
      channels.delete(topic)
      channel.disconnect()
    },
    enter: subscribe,
    close() {
      over = true
      cable.disconnect()
    },
  }
}
