// What the chat page promises: refresh, restart, limits, slow readers, goodbyes.

import assert from "node:assert/strict"
import { after, afterEach, before, beforeEach, test } from "node:test"
import { launch, Person, startChat } from "./world.mjs"

let browser
let chat

before(async () => (browser = await launch()))
after(() => browser?.close())
beforeEach(async () => (chat = await startChat()))
afterEach(async () => assert.equal(await chat.stop(), 0, `the chat ended badly:\n${chat.lines.join("\n")}`))

test("text is shown as text", async () => {
  const name = "<i>Ada</i>"
  const text = `<img src=x onerror="document.title='hacked'"> & <script>document.title='hacked'</script>`
  const ada = await Person.enter(browser, chat.url, name)
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.say(text)
  for (const person of [ada, bo]) {
    await person.sees(text)
    assert.equal(await person.page.locator(".message bdi").textContent(), name)
    assert.equal(await person.page.title(), "Lobby")
    await person.leave()
  }
})

test("a refresh keeps the name, and the others notice", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.sees("Bo joined")
  await bo.page.reload()
  await bo.status("connected")
  await bo.sees("You are here as Bo")
  await bo.say("still here")
  await ada.sees("still here")
  assert.deepEqual(await ada.log(), ["You are here as Ada", "Bo joined", "Bo left", "Bo joined", "still here"])
  await chat.line(/chat socket ended.* name=Bo .*close 1001/)
  await bo.leave()
  await ada.leave()
})

test("a window that closes says goodbye", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.sees("Bo joined")
  await bo.leave()
  await ada.sees("Bo left")
  await chat.line(/chat socket ended.* name=Bo .*close 1001/)
  await ada.leave()
})

test("the browser survives a restart of the server", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.say("before")
  await bo.sees("before")

  assert.equal(await chat.stop(), 0)
  for (const person of [ada, bo]) {
    await person.status("reconnecting")
    await person.warned("server is stopping")
    assert.ok(await person.page.getByRole("button", { name: "Send" }).isDisabled())
  }
  await ada.say("a draft") // goes nowhere, and is kept

  chat = await startChat({ addr: `localhost:${chat.port}` })
  await ada.status("connected")
  await bo.status("connected")
  await ada.sees("Back again as Ada")
  assert.ok(await ada.page.getByRole("alert").isHidden())
  await ada.page.getByRole("button", { name: "Send" }).click()
  await bo.sees("a draft")
  await ada.leave({ quietly: false }) // attempts that find no server are complaints
  await bo.leave({ quietly: false })
})

test("a server that stops closes its sockets cleanly", async () => {
  const person = await Person.visit(browser, chat.url)
  await person.page.evaluate(async (port) => {
    const socket = new WebSocket(`ws://localhost:${port}/chat/socket`)
    window.goodbye = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }))
    })
    await new Promise((resolve) => socket.addEventListener("open", resolve))
  }, chat.port)
  assert.equal(await chat.stop(), 0)
  assert.deepEqual(await person.page.evaluate(() => window.goodbye), {
    code: 1001,
    reason: "server is stopping",
    wasClean: true,
  })
  await person.leave({ quietly: false }) // what it still looks for is not there any more
})

test("limits have a clear answer", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  await ada.page.locator("input").evaluateAll((inputs) => inputs.forEach((input) => input.removeAttribute("maxlength")))
  await ada.say("x".repeat(1001))
  await ada.warned("Not sent: a message has at most 1000 characters.")
  await ada.say("  ") // the page does not even ask
  await ada.say("y".repeat(1000))
  await ada.sees("y".repeat(1000))
  assert.ok(await ada.page.getByRole("alert").isHidden())

  await ada.page.getByRole("button", { name: "Change your name" }).click()
  await ada.page.getByLabel("Your name").fill("z".repeat(33))
  await ada.page.keyboard.press("Enter")
  await ada.status("closed")
  await ada.warned("Closed by the server: a name has at most 32 characters, all of them visible.")

  await ada.page.getByRole("button", { name: "Change your name" }).click()
  await ada.join("Ada, again")
  await ada.sees("You are here as Ada, again")
  assert.ok(await ada.page.getByRole("alert").isHidden())
  await ada.leave()
})

// The debugger holds the slow page's only thread, as a machine that sleeps would. Another page talks until the room
// has lost patience, and hears every word of its own.
test("a page that does not read is closed, and told so", async () => {
  const slow = await Person.enter(browser, chat.url, "Slow")
  const talker = await Person.visit(browser, chat.url)
  const debug = await slow.context.newCDPSession(slow.page)
  await debug.send("Debugger.enable")
  const paused = new Promise((resolve) => debug.on("Debugger.paused", resolve))
  await debug.send("Debugger.pause")

  const heard = talker.page.evaluate(async (port) => {
    const socket = new WebSocket(`ws://localhost:${port}/chat/socket?name=Talker`, "chat.v1")
    const text = "語".repeat(1000)
    let echoes = 0
    let after = 0 // echoes since the slow page was closed
    let slowLeft = null
    const ended = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason, slowLeft, echoes, after }))
    })
    socket.addEventListener("message", ({ data }) => {
      const event = JSON.parse(data)
      if (event.type === "left") slowLeft = event
      if (event.type === "message") {
        echoes++
        if (slowLeft) after++
      }
      if (after === 10) socket.close(1000)
      else if (event.type !== "left") socket.send(text) // the next one once the last one is heard
    })
    return ended
  }, chat.port)

  await paused
  const { code, slowLeft, echoes, after } = await heard
  assert.equal(slowLeft?.name, "Slow")
  assert.equal(slowLeft.text, "too slow")
  assert.deepEqual({ code, after }, { code: 1000, after: 10 })

  await debug.send("Debugger.resume")
  await debug.detach()
  await slow.status("closed")
  await slow.warned("Closed by the server: too slow.")
  await slow.page.getByRole("button", { name: "Reconnect" }).click()
  await slow.status("connected")
  await slow.say("I am back")
  await slow.sees("I am back")
  assert.ok(echoes > 64, `${echoes} messages were enough: fewer than a queue holds`)
  await talker.leave()
  await slow.leave()
})
