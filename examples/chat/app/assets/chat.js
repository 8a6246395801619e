// What every page of somebody logged in does: one cable, the list of rooms, and the end of the session.

import { Conversation } from "./conversation.js"

const app = document.getElementById("app")
const { Cable } = await import(app.dataset.cable)

const cable = new Cable("/cable")
const conversation = document.getElementById("chat") ? new Conversation(cable, app.dataset, ask) : null
let leaving = false

// ---- rooms ----

const rooms = document.getElementById("rooms")

function addRoom({ slug, name }) {
  if (typeof slug !== "string" || typeof name !== "string") return
  if ([...rooms.querySelectorAll("a")].some((link) => link.dataset.slug === slug)) return
  const item = document.getElementById("room-template").content.firstElementChild.cloneNode(true)
  const link = item.querySelector("a")
  link.href = `/rooms/${encodeURIComponent(slug)}`
  link.dataset.slug = slug
  link.querySelector("bdi").textContent = name
  rooms.append(item)
}

cable.signedStream(rooms.dataset.stream, {
  position: rooms.dataset.position,
  received: addRoom,
  rejected: ask,
  gap: () => conversation ?? location.reload(),
})

// ---- the end of the session ----

cable.addEventListener("statechange", () => cable.state === "closed" && ask())

// ask finds out why the server wants to hear no more of this page: nobody is logged in, somebody else is, or the session
// is good and it was about the page.
async function ask() {
  if (leaving) return
  let response
  try {
    response = await fetch("/session", { headers: { Accept: "application/json" } })
  } catch {
    return conversation?.closed(cable.reason)
  }
  if (leaving) return
  if (response.status === 401) return end("You are logged out", "This page gets no more messages.", "Log in")
  if (!response.ok) return conversation?.closed(cable.reason)
  const { id, name } = await response.json()
  if (id !== app.dataset.me) return end(`You are ${name} now`, "Somebody logged in again in this browser.", `Go on as ${name}`)
  if (cable.state === "closed") conversation?.closed(cable.reason)
  else conversation?.refresh()
}

function end(title, text, link) {
  document.getElementById("ended-title").textContent = title
  document.getElementById("ended-text").textContent = text
  document.getElementById("ended-link").textContent = link
  document.getElementById("ended-link").href = `/login?next=${encodeURIComponent(location.pathname)}`
  cable.close("session ended")
  const dialog = document.getElementById("ended")
  if (!dialog.open) dialog.showModal()
}

document.getElementById("ended").addEventListener("cancel", (event) => event.preventDefault())
document.querySelector("form[action='/logout']").addEventListener("submit", () => (leaving = true))
addEventListener("pageshow", (event) => event.persisted && location.reload())
