// Who is here, and who types.

import { initial } from "./log.js"

const AWAY = 3_000 // ms: who comes back within this time has reloaded the page, and nobody needs to know
const TYPES = 4_000 // ms that somebody types after the last we heard of it

const $ = (id) => document.getElementById(id)

export class People {
  #me
  #note
  #here = new Map() // id -> {name, hue}
  #leaving = new Map() // id -> the timer until it is told
  #typing = new Map() // id -> the timer that ends it
  #known = false // the list has come, so that who joins is new

  constructor(me, note) {
    this.#me = me
    this.#note = note
    $("show-people").addEventListener("click", () => this.#toggle())
    addEventListener("keydown", (event) => event.key === "Escape" && this.#toggle(false))
  }

  // all takes the whole list. Who has come or gone while nobody listened is not told.
  all(records) {
    for (const timer of this.#leaving.values()) clearTimeout(timer)
    this.#leaving.clear()
    this.#here = new Map(records.map(({ id, info }) => [id, person(info)]))
    this.#known = true
    this.#show()
  }

  event({ type, id, info }) {
    if (type === "join") this.#join(id, person(info))
    if (type === "leave" && this.#here.has(id) && !this.#leaving.has(id)) {
      this.#leaving.set(id, setTimeout(() => this.#left(id), AWAY))
    }
  }

  // typing is called with whatever somebody has whispered.
  typing(message) {
    const id = message?.typing
    if (typeof id !== "string" || id === this.#me || !this.#here.has(id)) return
    clearTimeout(this.#typing.get(id))
    this.#typing.set(id, setTimeout(() => this.stoppedTyping(id), TYPES))
    this.#showTyping()
  }

  stoppedTyping(id) {
    clearTimeout(this.#typing.get(id))
    if (this.#typing.delete(id)) this.#showTyping()
  }

  #join(id, who) {
    clearTimeout(this.#leaving.get(id))
    this.#leaving.delete(id)
    const isNew = !this.#here.has(id)
    this.#here.set(id, who)
    if (isNew && this.#known && id !== this.#me) this.#note(`${who.name} joined`)
    this.#show()
  }

  #left(id) {
    this.#leaving.delete(id)
    const who = this.#here.get(id)
    this.#here.delete(id)
    this.stoppedTyping(id)
    if (id !== this.#me) this.#note(`${who.name} left`)
    this.#show()
  }

  #show() {
    const template = $("person-template").content.firstElementChild
    const people = [...this.#here].sort(([, a], [, b]) => a.name.localeCompare(b.name))
    $("present").replaceChildren(
      ...people.map(([id, { name, hue }]) => {
        const item = template.cloneNode(true)
        item.dataset.id = id
        item.querySelector(".avatar").dataset.hue = hue
        item.querySelector(".avatar").textContent = initial(name)
        item.querySelector(".name").textContent = name
        item.classList.toggle("self", id === this.#me)
        return item
      }),
    )
    $("count").textContent = people.length
  }

  #showTyping() {
    const names = [...this.#typing.keys()].map((id) => this.#here.get(id)?.name).filter(Boolean)
    const texts = ["", `${names[0]} is typing`, `${names[0]} and ${names[1]} are typing`]
    $("typing").textContent = texts[names.length] ?? "Several people are typing"
  }

  #toggle(show = $("show-people").getAttribute("aria-expanded") === "false") {
    $("show-people").setAttribute("aria-expanded", show)
    $("people").classList.toggle("shown", show)
  }
}

function person(info) {
  return { name: String(info?.name ?? "somebody"), hue: Number(info?.hue ?? 0) }
}
