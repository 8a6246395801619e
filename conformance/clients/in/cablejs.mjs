// A client made with the project's own cable.js.

// Delays are shorter than by default, for the suite has little time.
const options = { pingInterval: 1000, backoffBase: 100, backoffCap: 1500, restartWindow: 500 }

export function cablejs({ Cable, WebSocket, url, topics, record, settings }) {
  const cable = new Cable(url, { ...options, ...settings, env: { WebSocket: record.observe(WebSocket) } })
  const subscriptions = new Map()
  const positions = new Map()
  const subscribe = (topic) => {
    subscriptions.set(topic, cable.stream(topic, {
      after: positions.get(topic),
      received: (message) => record.message(message),
      confirmed: () => record.note("on", topic),
      gap: () => record.note("gap", topic),
      rejected: () => record.note("closed", topic),
    }))
  }
  topics.forEach(subscribe)
  return {
    leave(topic) {
      record.note("off", topic)
      const subscription = subscriptions.get(topic)
      positions.set(topic, subscription.positions)
      subscription.unsubscribe()
    },
    enter: subscribe,
    close: () => cable.close(),
  }
}
