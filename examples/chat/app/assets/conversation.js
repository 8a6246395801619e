// A room: what is said, who is here, who types, and how the connection is.

import { Log } from "./log.js"
import { Outbox } from "./outbox.js"
import { People } from "./people.js"

const TYPING = 2_000 // ms between two words of ours that somebody types
const RELOAD = 10_000 // ms: a page that reloaded a moment ago does not do so again by itself

const $ = (id) => document.getElementById(id)

export class Conversation {
  #cable
  #me
  #log
  #people
  #outbox
  #subscription
  #ticking = 0
  #typedAt = -Infinity
  #warning = "" // what the notice is about: "connection", "message" or nothing
  #draft = `draft ${$("chat").dataset.room}`

  constructor(cable, { me, name, hue }, loggedOut) {
    this.#cable = cable
    this.#me = { id: me, name, hue: Number(hue) }
    this.#log = new Log($("log"), me)
    this.#people = new People(me, (text) => this.#log.note(text))
    this.#outbox = new Outbox($("composer").action, $("chat").dataset.room, me, {
      sent: (message) => this.#log.settle(message),
      waiting: (id) => this.#log.waits(id),
      refused: (item, error) => this.#refused(item, error),
      loggedOut,
    })
    for (const item of this.#outbox.items) this.#showOwn(item)

    const { stream, position } = $("chat").dataset
    this.#subscription = cable.signedStream(stream, {
      position,
      received: (message, meta) => this.#received(message, meta),
      confirmed: () => this.#confirmed(),
      presence: (event) => this.#people.event(event),
      gap: () => this.refresh(),
      rejected: loggedOut,
    })
    this.#subscription.join() // as whom, the server knows
    cable.addEventListener("statechange", () => this.#showState())
    this.#showState()
    this.#listen()
    this.#outbox.flush()
  }

  // closed is called when the server has closed for good, but the session is still there.
  closed(reason) {
    this.#warn("connection", `Closed by the server: ${reason ?? "no answer"}.`, "Try now")
  }

  // refresh gets what the socket cannot: the page as it would be now. Draft and unsent messages survive it.
  refresh() {
    const last = Number(sessionStorage.getItem("reloaded"))
    if (Date.now() - last < RELOAD) return this.#warn("connection", "Some messages were missed.", "Reload")
    sessionStorage.setItem("reloaded", String(Date.now()))
    location.reload()
  }

  // ---- what comes ----

  #received(message, { fleeting, offset }) {
    if (fleeting) return this.#people.typing(message)
    const said = read(message, offset)
    this.#people.stoppedTyping(said.from)
    this.#log.add(said)
  }

  async #confirmed() {
    this.#showState()
    this.#outbox.flush()
    try {
      this.#people.all((await this.#subscription.who()).records)
    } catch {
      // the connection was lost meanwhile, and will be confirmed again
    }
  }

  // ---- the state of the connection ----

  #showState() {
    clearTimeout(this.#ticking)
    const seconds = Math.ceil((this.#cable.retryAt - Date.now()) / 1000)
    const [state, text] = {
      connecting: ["connecting", "connecting"],
      open: this.#subscription.state === "confirmed" ? ["connected", "connected"] : ["connecting", "connecting"],
      waiting: ["reconnecting", seconds > 1 ? `reconnecting in ${seconds} s` : "reconnecting"],
      offline: ["offline", "offline"],
      closed: ["closed", "not connected"],
    }[this.#cable.state]
    const status = $("status")
    if (status.dataset.state !== state) status.dataset.state = state
    if (status.textContent !== text) status.textContent = text
    $("present").classList.toggle("stale", state !== "connected")
    if (state === "connected") this.#warn("connection", "")
    else if (state === "offline") this.#warn("connection", "This device is offline. What you write is sent when it is back.")
    else if (state === "reconnecting") this.#warn("connection", "The connection is lost. What you write is sent when it is back.", "Try now")
    if (state === "reconnecting" && seconds > 0) this.#ticking = setTimeout(() => this.#showState(), 1000)
  }

  // warn shows a notice, or takes the one about the same thing away.
  #warn(about, text, button = "") {
    if (text === "" && this.#warning !== about) return
    this.#warning = text && about
    $("notice").hidden = text === ""
    if ($("notice-text").textContent !== text) $("notice-text").textContent = text
    $("again").hidden = button === ""
    $("again").textContent = button
  }

  // ---- what goes ----

  #listen() {
    const { text, composer } = Object.fromEntries(["text", "composer"].map((id) => [id, $(id)]))
    text.value ||= sessionStorage.getItem(this.#draft) ?? ""
    text.addEventListener("input", () => {
      sessionStorage.setItem(this.#draft, text.value)
      this.#typing()
    })
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
      event.preventDefault()
      composer.requestSubmit()
    })
    composer.addEventListener("submit", (event) => {
      event.preventDefault()
      this.#say(text.value.trim())
      text.focus()
    })
    $("again").addEventListener("click", () => {
      if ($("again").textContent === "Reload") return location.reload()
      this.#cable.open()
      this.#outbox.flush()
    })
    if (matchMedia("(pointer: fine)").matches) text.focus()
  }

  #say(text) {
    if (text === "") return
    $("text").value = ""
    sessionStorage.removeItem(this.#draft)
    this.#warn("message", "")
    this.#showOwn(this.#outbox.add(text))
    this.#typedAt = -Infinity
    this.#outbox.flush()
  }

  #showOwn({ id, text, at }) {
    const { id: from, name, hue } = this.#me
    this.#log.add({ id, from, name, hue, text, at }, { pending: true })
  }

  #refused({ id, text }, error) {
    this.#log.remove(id)
    $("text").value = $("text").value === "" ? text : `${text}\n${$("text").value}`
    sessionStorage.setItem(this.#draft, $("text").value)
    this.#warn("message", `Not sent: ${error}.`)
  }

  #typing() {
    if ($("text").value.trim() === "" || performance.now() - this.#typedAt < TYPING) return
    if (this.#subscription.whisper({ typing: this.#me.id })) this.#typedAt = performance.now()
  }
}

// read makes a message of what a program may have published in brief. The server's readMessage does the same.
function read(message, offset) {
  const { id, from = "", name = "program", hue = 0, text, at } = Object(message) === message ? message : { text: message }
  return { id: id ?? String(offset), from, name, hue, text: String(text ?? ""), at: at ?? new Date().toISOString() }
}
