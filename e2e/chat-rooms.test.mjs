// What the chat promises: rooms, a history that survives restarts, nothing lost and nothing twice, the end of a session.

import assert from "node:assert/strict"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { launch, overTCP } from "./browser.mjs"
import { afterEach, before, beforeEach, test } from "./tests.mjs"
import { artifacts, Person, startChat } from "./world.mjs"

let browser
let chat

before(async () => (browser = await launch(...overTCP)))
beforeEach(async () => (chat = await startChat()))
afterEach(async () => assert.equal(await chat.stop(), 0, `the chat ended badly:\n${chat.lines.join("\n")}`))

const restart = async () => (chat = await startChat({ port: chat.port, home: chat.home }))
const passphrase = async () => (await chat.line(/the room Staff is (\S+)/))[1]
const present = (person) => person.page.locator("#present .name").allTextContents()

// quiet waits until nothing is on its way.
const quiet = (person) => person.page.locator("#log:not(:has(.pending))").waitFor()

async function publish(items) {
  const key = (await chat.line(/Bearer ([^']+)/))[1]
  const response = await fetch(`${chat.url}/_broadcast`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}` },
    body: JSON.stringify(items),
  })
  assert.ok(response.ok, `publishing: ${response.status} ${await response.text()}`)
}

test("two people talk, see each other, and see who types", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.sees("Bo joined")
  await ada.page.waitForFunction(() => document.querySelectorAll("#present li").length === 2)
  assert.deepEqual(await present(ada), ["Ada", "Bo"])

  await Promise.all([
    ada.page.getByText("Bo is typing").waitFor(), // which passes
    bo.page.getByLabel("Message", { exact: true }).pressSequentially("Good"),
  ])
  await bo.say("Good morning, Ada")
  await ada.sees("Good morning, Ada")
  await ada.page.locator("#typing:empty").waitFor({ state: "attached" })
  await ada.say("Good morning, Bo 🦊")
  for (const person of [ada, bo]) {
    await person.sees("Good morning, Bo 🦊")
    await quiet(person)
    assert.deepEqual(await person.messages(), ["Good morning, Ada", "Good morning, Bo 🦊"])
  }
  await bo.leave()
  await ada.sees("Bo left")
  assert.deepEqual((await ada.log()).filter((line) => line.startsWith("Bo ")), ["Bo joined", "Bo left"])
  assert.deepEqual(await present(ada), ["Ada"])
  await ada.leave()
})

// stopClock makes the page's time stand still, a second from now: if that is past when the page hears of it, again.
async function stopClock(page) {
  for (;;) {
    try {
      return await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1000)
    } catch (error) {
      if (!String(error).includes("to the past")) throw error
    }
  }
}

// A page waits a while before it tells that somebody has left. However long the reload takes here, that time stands still.
test("a reload is noticed by nobody else", async () => {
  const ada = await Person.visit(browser, chat.url)
  await ada.page.clock.install()
  await ada.join("Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await bo.say("before")
  await ada.sees("before")
  await stopClock(ada.page)
  await bo.page.reload()
  await bo.status("connected")
  await bo.page.getByLabel("Message", { exact: true }).pressSequentially("af")
  await ada.page.getByText("Bo is typing").waitFor() // he says so over his socket, where he has said before that he is here
  await bo.say("after")
  await ada.sees("after")
  await ada.page.clock.runFor(5000)
  assert.deepEqual(await ada.log(), ["Bo joined", "before", "after"])
  assert.deepEqual(await present(ada), ["Ada", "Bo"])
  assert.deepEqual(await bo.messages(), ["before", "after"])
  for (const person of [ada, bo]) await person.leave()
})

test("text is shown as text, live and from the history", async () => {
  const name = "<i>Ada</i>"
  const text = `<img src=x onerror="document.title='hacked'"> & <script>document.title='hacked'</script>`
  const ada = await Person.enter(browser, chat.url, name)
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.say(text)
  for (const person of [ada, bo]) {
    await person.sees(text)
    await person.page.reload()
    await person.sees(text)
    assert.equal(await person.page.locator(".message .author").textContent(), name)
    assert.equal(await person.page.title(), "Lobby · Chat")
    await person.leave()
  }
})

// The page has been rendered, and its script is still on the way.
test("what is said between a page and its socket is there, once", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.say("before")
  await bo.sees("before")
  await bo.page.route("**/assets/chat.js", async (route) => {
    await ada.say("between")
    await quiet(ada)
    await route.continue()
  })
  await bo.page.reload()
  await bo.sees("between")
  await bo.status("connected")
  assert.deepEqual(await bo.messages(), ["before", "between"])
  for (const person of [ada, bo]) await person.leave()
})

test("a restart of the server loses nothing and doubles nothing", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.say("before")
  await bo.sees("before")

  assert.equal(await chat.stop(), 0)
  for (const person of [ada, bo]) await person.status("reconnecting")
  await ada.warned("The connection is lost")
  await ada.say("said to nobody")
  await ada.say("and more")
  await ada.page.locator(".waiting").first().waitFor()

  await restart()
  for (const person of [ada, bo]) await person.status("connected")
  await bo.sees("and more")
  await quiet(ada)
  for (const person of [ada, bo]) assert.deepEqual(await person.messages(), ["before", "said to nobody", "and more"])
  assert.ok(await ada.page.getByRole("alert").isHidden())

  const cy = await Person.enter(browser, chat.url, "Cy")
  assert.deepEqual(await cy.messages(), ["before", "said to nobody", "and more"])
  for (const person of [ada, bo, cy]) await person.leave({ quietly: false }) // attempts that find no server are complaints
})

test("what was missed while a laptop slept comes when it wakes, and what was written leaves", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await bo.context.setOffline(true)
  await bo.status("offline")
  await bo.warned("This device is offline")
  for (let i = 1; i <= 20; i++) await ada.say(`missed ${i}`)
  await quiet(ada)
  await bo.say("written in the train")
  await bo.page.locator(".waiting").waitFor()

  await bo.context.setOffline(false)
  await bo.status("connected")
  await ada.sees("written in the train")
  await bo.sees("missed 20")
  await quiet(bo)
  const want = [...Array.from({ length: 20 }, (_, i) => `missed ${i + 1}`), "written in the train"]
  await bo.page.waitForFunction(() => document.querySelectorAll("#log .message").length === 21)
  for (const person of [ada, bo]) assert.deepEqual((await person.messages()).toSorted(byNumber), want)
  assert.deepEqual(await ada.messages(), want)
  assert.deepEqual(await bo.messages(), want, "in another order than the log's")
  for (const person of [ada, bo]) await person.leave({ quietly: false })
})

const byNumber = (a, b) => (Number(a.match(/\d+/)?.[0] ?? 99) - Number(b.match(/\d+/)?.[0] ?? 99))

// The server has taken the message, and its answer is lost: the page says it again, with the same id.
test("a message whose answer is lost is said once", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  let attempts = 0
  await ada.page.route("**/messages", async (route) => {
    await route.fetch()
    if (++attempts < 3) await route.abort()
    else await route.continue()
  })
  await ada.say("once")
  await bo.sees("once")
  await ada.page.waitForFunction(() => Object.entries(sessionStorage).some(([key, value]) => key.startsWith("outbox") && value === "[]"))
  assert.equal(attempts, 3)
  await ada.say("twice")
  await bo.sees("twice")
  for (const person of [ada, bo]) assert.deepEqual(await person.messages(), ["once", "twice"])
  await ada.page.reload()
  assert.deepEqual(await ada.messages(), ["once", "twice"])
  for (const person of [ada, bo]) await person.leave({ quietly: false })
})

// Whoever writes faster than the chat takes it loses nothing, and the page asks no earlier than it was told.
test("what came too fast is said when the server allows it", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const answers = []
  ada.page.on("response", (response) => {
    if (!response.url().endsWith("/messages")) return
    const after = Number(response.headers()["retry-after"] ?? 0)
    answers.push({ status: response.status(), after, at: performance.now() })
  })
  const want = ["one", "two", "three"]
  await ada.page.evaluate(async () => {
    for (let i = 0, status; status !== 429; i++) { // nothing is said by these, but they count
      const body = new URLSearchParams({ id: String(i), text: "" })
      status = (await fetch(document.getElementById("composer").action, { method: "POST", body, headers: { Accept: "application/json" } })).status
    }
  })
  for (const text of want) await ada.say(text)
  await ada.page.locator(".waiting").first().waitFor()
  await ada.sees(want.at(-1))
  await quiet(ada)
  await ada.page.waitForFunction(() => document.querySelector("#log .pending") === null)
  assert.deepEqual(await ada.messages(), want)
  const refused = answers.filter(({ status }) => status === 429).slice(1)
  assert.ok(refused.length > 0)
  for (const { after, at } of refused) {
    const next = answers.find((answer) => answer.at > at)
    assert.ok(after >= 1 && next.at - at > 1000 * after - 100, `asked again after ${next.at - at} ms`)
  }
  await ada.leave({ quietly: false })
})

test("logging out closes every tab at once, and whoever else has the cookie", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const tab = await ada.context.newPage()
  await tab.goto(`${chat.url}/rooms/lobby`)
  const thief = await Person.visit(browser, chat.url)
  await thief.context.addCookies(await ada.context.cookies())
  await thief.page.goto(`${chat.url}/rooms/lobby`)
  await thief.status("connected")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await bo.page.waitForFunction(() => document.querySelectorAll("#present li").length === 2)

  await ada.page.getByRole("button", { name: "Log out" }).click()
  await ada.page.getByRole("heading", { name: "You are logged out" }).waitFor()
  for (const page of [tab, thief.page]) {
    await page.getByRole("dialog", { name: "You are logged out" }).waitFor()
    assert.match(await page.getByRole("link", { name: "Log in" }).getAttribute("href"), /^\/login\?next=%2Frooms%2Flobby$/)
  }
  await bo.sees("Ada left")
  await bo.say("I am still here")
  await bo.sees("I am still here")
  assert.deepEqual(await tab.locator("#log .body").allTextContents(), [], "a page without a session hears more")

  await tab.screenshot({ path: `${artifacts}logged-out.png` })
  await tab.getByRole("link", { name: "Log in" }).click()
  await tab.getByLabel("Your name").fill("Ada, again")
  await tab.getByRole("button", { name: "Join" }).click()
  await tab.getByText("I am still here").waitFor()
  for (const person of [ada, thief, bo]) await person.leave({ quietly: false }) // 401 is a complaint
})

test("somebody else's log-in in the same browser does not go unnoticed", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  await ada.context.clearCookies()
  const tab = await ada.context.newPage()
  await tab.goto(chat.url)
  await tab.getByLabel("Your name").fill("Bo")
  await tab.getByRole("button", { name: "Join" }).click()
  await tab.locator("[role=status][data-state=connected]").waitFor()
  assert.equal(await chat.stop(), 0) // so that Ada's page connects again, with Bo's cookie
  await restart()
  await ada.page.getByRole("dialog", { name: "You are Bo now" }).waitFor()
  await ada.page.getByRole("link", { name: "Go on as Bo" }).click()
  await ada.status("connected")
  await ada.leave({ quietly: false })
})

test("the private room opens with the passphrase, and with nothing else", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  await ada.page.getByRole("link", { name: "Staff" }).click()
  await ada.page.getByLabel("Passphrase").fill("guess")
  await ada.page.getByRole("button", { name: "Enter" }).click()
  await ada.page.getByRole("alert").getByText("That is not the passphrase.").waitFor()
  await ada.page.getByLabel("Passphrase").fill(await passphrase())
  await ada.page.getByRole("button", { name: "Enter" }).click()
  await ada.status("connected")
  await ada.say("among us")
  await ada.sees("among us")
  await quiet(ada)

  const bo = await Person.enter(browser, chat.url, "Bo")
  await bo.page.goto(`${chat.url}/rooms/staff`)
  await bo.page.getByLabel("Passphrase").waitFor()
  assert.equal(await bo.page.getByText("among us").count(), 0)
  for (const person of [ada, bo]) await person.leave({ quietly: false }) // 403 is a complaint
})

test("a new room appears on open pages, and has its own conversation", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.page.getByLabel("New room").fill("Große Pläne")
  await ada.page.getByRole("button", { name: "Create" }).click()
  await ada.page.getByRole("heading", { name: "Große Pläne" }).waitFor()
  await ada.status("connected")
  await ada.say("only here")
  await bo.page.getByRole("link", { name: "Große Pläne" }).click()
  await bo.status("connected")
  await bo.sees("only here")
  await bo.page.getByRole("link", { name: "Lobby" }).click()
  await bo.status("connected")
  assert.deepEqual(await bo.messages(), [])
  for (const person of [ada, bo]) await person.leave()
})

test("what a program publishes appears", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  await publish({ stream: "room:lobby", data: JSON.stringify({ name: "cron", text: "backup done" }) })
  await ada.sees("backup done")
  await publish([{ stream: "room:lobby", data: `"in brief"` }])
  await ada.sees("in brief")
  await ada.page.reload()
  assert.deepEqual(await ada.messages(), ["backup done", "in brief"])
  assert.deepEqual(await ada.page.locator(".author").allTextContents(), ["cron", "program"])
  await ada.leave()
})

// Another log under the same address: nobody knows what was between the two. The page gets itself anew.
test("a gap refreshes the page, and keeps the draft", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  await ada.say("in the old log")
  await ada.sees("in the old log")
  await quiet(ada)
  await ada.page.getByLabel("Message", { exact: true }).pressSequentially("a draft")
  assert.equal(await chat.stop(), 0)
  for (const end of ["", "-wal", "-shm"]) rmSync(join(chat.home, `chat.db${end}`), { force: true })
  await restart()
  await ada.page.waitForFunction(() => document.querySelectorAll("#log .message").length === 0)
  await ada.status("connected")
  assert.equal(await ada.page.getByLabel("Message", { exact: true }).inputValue(), "a draft")
  await ada.say("in the new log")
  await ada.sees("in the new log")
  await ada.leave({ quietly: false })
})

// The debugger holds the page's only thread, as a machine that sleeps would.
test("a page that does not read is closed, and misses nothing", async () => {
  const slow = await Person.enter(browser, chat.url, "Slow")
  const debug = await slow.context.newCDPSession(slow.page)
  await debug.send("Debugger.enable")
  const paused = new Promise((resolve) => debug.on("Debugger.paused", resolve))
  await debug.send("Debugger.pause")
  await paused

  const padding = "x".repeat(50_000) // 20 MB in all: far more than the sockets hold
  for (let i = 0; i < 40; i++) {
    await publish(Array.from({ length: 10 }, (_, j) => ({
      stream: "room:lobby",
      data: JSON.stringify({ name: "flood", text: String(10 * i + j), padding }),
    })))
  }
  const ada = await Person.enter(browser, chat.url, "Ada") // whom nothing delays
  await ada.say("the last")
  await ada.sees("the last")

  await debug.send("Debugger.resume")
  await debug.detach()
  await slow.sees("the last")
  assert.deepEqual(await slow.messages(), [...Array.from({ length: 400 }, (_, i) => String(i)), "the last"])
  await slow.status("connected")
  for (const person of [ada, slow]) await person.leave({ quietly: false })
})

test("limits have a clear answer", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada")
  await ada.page.locator("#text").evaluate((text) => text.removeAttribute("maxlength"))
  await ada.say("x".repeat(1001))
  await ada.warned("Not sent: a message has at most 1000 characters.")
  assert.equal((await ada.page.locator("#text").inputValue()).length, 1001, "what was written is lost")
  await ada.say("y".repeat(1000))
  await ada.sees("y".repeat(1000))
  await quiet(ada)
  assert.ok(await ada.page.getByRole("alert").isHidden())
  assert.equal((await ada.messages()).length, 1)
  await ada.leave({ quietly: false })
})

test("it works without JavaScript", async () => {
  const bo = await Person.enter(browser, chat.url, "Bo")
  const ada = await Person.visit(browser, chat.url, { javaScriptEnabled: false })
  await ada.page.getByLabel("Your name").fill("Ada")
  await ada.page.getByRole("button", { name: "Join" }).click()
  await ada.page.getByLabel("Message", { exact: true }).fill("from a plain form")
  await ada.page.getByRole("button", { name: "Send" }).click()
  await ada.page.getByText("from a plain form").waitFor() // the next page is there
  assert.deepEqual(await ada.messages(), ["from a plain form"])
  await bo.sees("from a plain form")
  await bo.say("from a script")
  await quiet(bo)
  await ada.page.getByRole("link", { name: "look again" }).click()
  await ada.page.getByText("from a script").waitFor()
  assert.deepEqual(await ada.messages(), ["from a plain form", "from a script"])
  assert.deepEqual(await present(ada), ["Bo"])
  await ada.page.getByRole("button", { name: "Log out" }).click()
  await ada.page.getByRole("heading", { name: "You are logged out" }).waitFor()
  for (const person of [ada, bo]) await person.leave()
})
