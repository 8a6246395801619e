// The messages on the page, each once, in the order of the server's log. Those that are on their way stand at the end.

const LINES = 500 // older ones leave the page
const TOGETHER = 5 * 60_000 // ms: within this time somebody's messages stand under one name

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" })
const date = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" })

export class Log {
  #list
  #me
  #template = document.getElementById("message-template").content.firstElementChild
  #latest = document.getElementById("latest")
  #byID = new Map()
  #follow = true
  #at = 0 // how far down the log was scrolled when somebody last looked
  #frame = 0 // the animation frame that will scroll, if one is on its way
  #unseen = 0
  #title = document.title

  constructor(list, me) {
    this.#list = list
    this.#me = me
    for (const line of list.querySelectorAll(".message")) {
      this.#byID.set(line.dataset.id, line)
      showTime(line)
    }
    list.addEventListener("scroll", () => this.#scrolled())
    this.#latest.addEventListener("click", () => this.#toEnd())
    document.addEventListener("visibilitychange", () => this.#seen())
    new ResizeObserver(() => this.#follow && this.#toEnd()).observe(list) // a keyboard that opens, a window that changes
    this.#toEnd()
  }

  // add shows a message, or makes sure of the one that waits for it.
  add(message, { pending = false } = {}) {
    const known = this.#byID.get(message.id)
    if (known && (pending || !known.classList.contains("pending"))) return
    const line = known ?? this.#make(message)
    line.classList.toggle("pending", pending)
    line.classList.remove("waiting")
    line.querySelector("time").dateTime = message.at
    showTime(line)
    if (pending) this.#list.append(line)
    else this.#list.insertBefore(line, this.#firstPending(line))
    this.#regroup()
    this.#trim()
    if (message.from === this.#me) this.#follow = true
    else this.#notice()
    this.#scrollSoon()
  }

  // settle makes sure of a message that the server has taken and the socket has not brought yet.
  settle({ id }) {
    this.#byID.get(id)?.classList.remove("waiting")
  }

  // waits marks a message that could not be sent for now.
  waits(id) {
    this.#byID.get(id)?.classList.add("waiting")
    this.#scrollSoon()
  }

  remove(id) {
    this.#byID.get(id)?.remove()
    this.#byID.delete(id)
    this.#regroup()
  }

  // note shows something that nobody has said.
  note(text) {
    const line = document.createElement("li")
    line.className = "notice"
    line.textContent = text
    this.#list.insertBefore(line, this.#firstPending())
    this.#trim()
    this.#scrollSoon()
  }

  #make({ id, from, name, hue, text }) {
    const line = this.#template.cloneNode(true)
    line.dataset.id = id
    line.dataset.from = from
    line.classList.toggle("mine", from === this.#me)
    line.dataset.hue = line.querySelector(".avatar").dataset.hue = hue
    line.querySelector(".avatar").textContent = initial(name)
    line.querySelector(".author").textContent = name
    line.querySelector(".body").textContent = text // never as HTML
    this.#byID.set(id, line)
    return line
  }

  #firstPending(except = null) {
    return [...this.#list.querySelectorAll(".pending")].find((line) => line !== except) ?? null
  }

  // regroup looks at the last few messages: nothing else changes its place.
  #regroup() {
    let line = this.#list.lastElementChild
    for (let i = 0; line && i < 20; i++, line = line.previousElementSibling) {
      if (line.classList.contains("message")) line.classList.toggle("more", follows(line))
    }
  }

  // trim takes some at a time: in between, the place where the log stands tells who scrolls.
  #trim() {
    if (!this.#follow || this.#list.childElementCount <= LINES + 50) return
    while (this.#list.childElementCount > LINES) {
      this.#byID.delete(this.#list.firstElementChild.dataset.id)
      this.#list.firstElementChild.remove()
    }
    this.#at = 0 // what is left moves up, and nobody has scrolled
  }

  // ---- scrolling: the log follows its end, until somebody scrolls up to read ----

  // scrolled hears of it a frame late. If the end has moved away since, that is not
  // somebody who reads further up: only going up ends the following.
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list
    if (scrollHeight - scrollTop - clientHeight < 60) this.#follow = true
    else if (scrollTop < this.#at) this.#follow = false
    this.#at = scrollTop
    if (this.#follow) this.#latest.hidden = true
  }

  #scrollSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0
      if (this.#follow) this.#toEnd()
    })
  }

  #toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight
    this.#at = this.#list.scrollTop
    this.#latest.hidden = true
  }

  #notice() {
    if (!this.#follow) this.#latest.hidden = false
    if (document.visibilityState === "visible") return
    document.title = `(${++this.#unseen}) ${this.#title}`
  }

  #seen() {
    if (document.visibilityState !== "visible") return
    this.#unseen = 0
    document.title = this.#title
  }
}

function follows(line) {
  const before = line.previousElementSibling
  if (!before?.classList.contains("message") || before.dataset.from !== line.dataset.from) return false
  if (author(before) !== author(line)) return false
  const time = ({ children }) => new Date([...children].find((c) => c.className === "head").querySelector("time").dateTime)
  return time(line) - time(before) < TOGETHER
}

const author = (line) => line.querySelector(".author").textContent

export function initial(name) {
  return ([...name.trim()][0] ?? "").toUpperCase()
}

function showTime(line) {
  const time = line.querySelector("time")
  const at = new Date(time.dateTime)
  if (Number.isNaN(at.getTime())) return
  const today = at.toDateString() === new Date().toDateString()
  time.textContent = (today ? clock : date).format(at)
  time.title = full.format(at)
}
