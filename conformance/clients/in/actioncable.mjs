// A client made with @rails/actioncable. Runs in Node and in the browser.

// It looks for a lost connection every six seconds, times one to two: the suite has no time for that, and
// its hub pings every second.
const staleThreshold = 2

// The library has one WebSocket for all its consumers: this one finds out by the URL whose it is.
const observed = new Map()
class Dispatch {
  static CONNECTING = 0
  static OPEN = 1
  static CLOSING = 2
  static CLOSED = 3

  constructor(url, protocols) {
    const WebSocket = observed.get(url)
    return new WebSocket(url, protocols)
  }
}

export function actioncable({ ActionCable, WebSocket, url, topics, record }) {
  const own = `${url}?client=${encodeURIComponent(record.name)}`
  observed.set(own, record.observe(WebSocket))
  ActionCable.ConnectionMonitor.staleThreshold = staleThreshold
  ActionCable.adapters.WebSocket = Dispatch
  const consumer = ActionCable.createConsumer(own)
  const subscriptions = new Map()
  const subscribe = (topic) => {
    const subscription = consumer.subscriptions.create({ channel: "$pubsub", stream_name: topic }, {
      connected: () => record.note("on", topic),
      received: (message) => record.message(message),
    })
    subscriptions.set(topic, subscription)
  }
  topics.forEach(subscribe)
  return {
    leave(topic) {
      record.note("off", topic)
      subscriptions.get(topic).unsubscribe()
    },
    enter: subscribe,
    close: () => consumer.disconnect(),
  }
}
