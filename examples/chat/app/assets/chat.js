import { Connection } from "./connection.js"

const LOG_LINES = 300 // older lines leave the page

const $ = (id) => document.getElementById(id)
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" })

let connection = null
let myID = 0
let welcomes = 0
let outage = "" // what the first of several lost connections was told
let follow = true
let scroll = 0 // the animation frame that will scroll, if one is on its way

// ---- the conversation ----

function join(name) {
  sessionStorage.setItem("name", name)
  $("me").textContent = name || "guest"
  welcomes = 0
  connection?.close()
  const scheme = location.protocol === "https:" ? "wss:" : "ws:"
  const url = `${scheme}//${location.host}/chat/socket?name=${encodeURIComponent(name)}`
  connection = new Connection(url, $("chat").dataset.protocol, { onstate: showState, onevent: showEvent })
  connection.open()
}

function showEvent(event) {
  switch (event.type) {
    case "welcome":
      myID = event.from
      $("me").textContent = event.name
      addNotice(welcomes++ ? `Back again as ${event.name}` : `You are here as ${event.name}`)
      break
    case "joined":
      addNotice(`${event.name} joined`)
      break
    case "left":
      addNotice(event.text ? `${event.name} left (${event.text})` : `${event.name} left`)
      break
    case "message":
      addMessage(event)
      break
    case "refused":
      warn(`Not sent: ${event.text}.`)
      break
  }
  if (event.here) $("people").textContent = event.here === 1 ? "only you" : `${event.here} people`
}

// ---- the state of the connection ----

function showState(state, { code, reason, seconds }) {
  const texts = {
    connecting: "connecting",
    connected: "connected",
    reconnecting: seconds < 1 ? "reconnecting" : `reconnecting in ${Math.round(seconds)} s`,
    closed: "not connected",
  }
  $("status").dataset.state = state
  $("status").textContent = texts[state]
  $("send").disabled = state !== "connected"
  if (state === "connected") {
    warn("")
  } else if (state !== "connecting") {
    $("people").textContent = ""
  }
  if (state === "reconnecting") {
    outage ||= reason ? `Connection lost: ${reason}.` : "Connection lost."
    warn(outage, true)
  } else if (state !== "connecting") {
    outage = ""
    if (state === "closed" && code) warn(`Closed by the server: ${reason || `code ${code}`}.`, true)
  }
}

function warn(text, reconnect = false) {
  $("notice").hidden = text === ""
  $("notice-text").textContent = text
  $("reconnect").hidden = !reconnect
}

// ---- the log ----

function addMessage({ from, name, text, at }) {
  const line = document.createElement("li")
  line.className = from === myID ? "message mine" : "message"
  if ($("log").lastElementChild?.dataset.from === String(from)) line.classList.add("more")
  line.dataset.from = from
  line.style.setProperty("--hue", (from * 137) % 360)

  const head = document.createElement("p")
  head.className = "head"
  const who = document.createElement("bdi")
  who.textContent = name
  const when = document.createElement("time")
  when.dateTime = at
  when.textContent = time.format(new Date(at))
  head.append(who, " ", when)

  const body = document.createElement("p")
  body.className = "body"
  body.dir = "auto"
  body.textContent = text // never as HTML

  line.append(head, body)
  add(line)
}

function addNotice(text) {
  const line = document.createElement("li")
  line.className = "notice"
  line.textContent = text
  add(line)
}

function add(line) {
  const log = $("log")
  log.append(line)
  while (log.childElementCount > LOG_LINES) log.firstElementChild.remove()
  if (line.classList.contains("mine")) follow = true
  scroll ||= requestAnimationFrame(() => {
    scroll = 0
    if (follow) log.scrollTop = log.scrollHeight
  })
}

// The log follows its end, until somebody scrolls up to read.
$("log").addEventListener("scroll", ({ target: log }) => {
  follow = log.scrollHeight - log.scrollTop - log.clientHeight < 60
})

// ---- the forms ----

function show(form) {
  $("join").hidden = form !== "join"
  $("composer").hidden = form !== "composer"
  $(form === "join" ? "name" : "text").focus()
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault()
  show("composer")
  join($("name").value.trim())
})

$("composer").addEventListener("submit", (event) => {
  event.preventDefault()
  const text = $("text").value
  if (text.trim() !== "" && connection.send(text)) {
    $("text").value = ""
    warn("")
  }
  $("text").focus()
})

$("rename").addEventListener("click", () => {
  $("name").value = sessionStorage.getItem("name")
  show("join")
  $("name").select()
})

$("reconnect").addEventListener("click", () => connection.open())

addEventListener("online", () => connection?.hurry())
addEventListener("pageshow", (event) => event.persisted && connection?.open())
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && connection?.hurry())

const name = sessionStorage.getItem("name")
if (name !== null) {
  show("composer")
  join(name)
} else {
  show("join")
}
