// Connection keeps one WebSocket open: when it is lost, another one follows after a while.
//
// It calls onstate(state, detail) with "connecting", "connected", "reconnecting" (detail.seconds until the next
// attempt) and "closed" (detail.reason), and onevent(event) with what the server tells.

const FIRST_DELAY = 500 // ms
const LONGEST_DELAY = 20_000 // ms
const STEADY = 5_000 // ms: a connection that lived this long makes the next delay short again

// Codes after which trying again would not help: the server had something against this page (policy violation,
// unreadable or too large messages), or one side ended the conversation.
const FINAL = new Set([1000, 1002, 1003, 1007, 1008, 1009])

export class Connection {
  #url
  #protocol
  #socket = null
  #timer = 0
  #attempts = 0
  #openedAt = 0

  constructor(url, protocol, { onstate, onevent }) {
    this.#url = url
    this.#protocol = protocol
    this.onstate = onstate
    this.onevent = onevent
  }

  // open connects now, whatever went before.
  open() {
    this.#drop()
    this.onstate("connecting", {})
    const socket = new WebSocket(this.#url, this.#protocol)
    this.#socket = socket
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return
      this.#openedAt = performance.now()
      this.onstate("connected", {})
    })
    socket.addEventListener("message", (message) => {
      if (socket === this.#socket) this.onevent(JSON.parse(message.data))
    })
    socket.addEventListener("close", (close) => {
      if (socket === this.#socket) this.#closed(close)
    })
  }

  // close ends the conversation for good.
  close() {
    this.#drop()
    this.onstate("closed", { reason: "" })
  }

  // hurry makes a waiting attempt happen now: the network is back, or somebody looks at the page again.
  hurry() {
    if (this.#timer) this.open()
  }

  // send reports whether the text left. Nothing is kept for later: what is not sent stays in the form.
  send(text) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(text)
    return true
  }

  #closed({ code, reason }) {
    this.#socket = null
    if (FINAL.has(code)) {
      this.onstate("closed", { code, reason })
      return
    }
    if (this.#openedAt && performance.now() - this.#openedAt > STEADY) this.#attempts = 0
    this.#openedAt = 0
    // Full jitter: a server that comes back is not met by all of its browsers at the same moment.
    const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempts++)
    const delay = Math.random() * longest
    this.#timer = setTimeout(() => this.open(), delay)
    this.onstate("reconnecting", { code, reason, seconds: delay / 1000 })
  }

  #drop() {
    clearTimeout(this.#timer)
    this.#timer = 0
    this.#socket?.close(1000, "left")
    this.#socket = null
  }
}
