// What somebody has said and the server has not taken yet. It is sent in order, and again until the server answers: the
// message's id makes sure that it is said once. It survives a reload, in this tab.

const ANSWER = 10_000 // ms that the server has for an answer
const LONGEST = 30_000 // ms between two attempts
const PAUSE = 60_000 // ms that a server may ask for

export class Outbox {
  #url
  #key
  #me
  #on
  #items
  #sending = false
  #failures = 0
  #timer = 0
  #earliest = 0 // when the server wants to be asked again

  constructor(url, room, me, on) {
    this.#url = url
    this.#key = `outbox ${me} ${room}`
    this.#me = me
    this.#on = on
    this.#items = JSON.parse(sessionStorage.getItem(this.#key) ?? "[]")
  }

  // items are what waits, with the ids that the messages will have.
  get items() {
    return this.#items.map((item) => this.#named(item))
  }

  add(text) {
    const item = { id: randomID(), text, at: new Date().toISOString() }
    this.#items.push(item)
    this.#save()
    return this.#named(item)
  }

  // flush sends what waits, unless that is being done, or the server has asked for a pause: its timer runs.
  async flush() {
    if (this.#sending || performance.now() < this.#earliest) return
    this.#sending = true
    clearTimeout(this.#timer)
    while (this.#items.length > 0 && (await this.#send(this.#items[0]))) {
      this.#items.shift()
      this.#save()
      this.#failures = 0
    }
    this.#sending = false
  }

  // send reports whether the server has decided about a message.
  async #send(item) {
    let response
    try {
      response = await fetch(this.#url, {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new URLSearchParams({ id: item.id, text: item.text }),
        signal: AbortSignal.timeout(ANSWER),
      })
      if (response.ok) this.#on.sent(await response.json())
      else if (response.status === 422) this.#on.refused(this.#named(item), (await response.json()).error)
      else return this.#failed(item, response.status, pauseOf(response))
      return true
    } catch {
      return this.#failed(item)
    }
  }

  // failed keeps a message for another attempt, not before the time that the server asks for (ms), or gives it back.
  #failed(item, status, pause = 0) {
    for (const { id } of this.items) this.#on.waiting(id)
    if (status === 401 || status === 403) {
      this.#on.loggedOut()
      return false
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      this.#on.refused(this.#named(item), `the server says ${status}`)
      return true
    }
    const delay = Math.random() * Math.min(LONGEST, 1000 * 2 ** this.#failures++)
    this.#earliest = performance.now() + pause
    this.#timer = setTimeout(() => {
      this.#earliest = 0
      this.flush()
    }, pause + delay)
    return false
  }

  #named(item) {
    return { ...item, id: `${this.#me}-${item.id}` }
  }

  #save() {
    sessionStorage.setItem(this.#key, JSON.stringify(this.#items))
  }
}

// pauseOf is how long a response asks to be left alone, in ms. We say it in seconds; what something in between says is none.
function pauseOf(response) {
  return Math.min(PAUSE, Number(response.headers.get("Retry-After")) * 1000) || 0
}

// randomID needs no secure context, unlike crypto.randomUUID: a phone may look at http://192.168.1.7:3000.
function randomID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")
}
