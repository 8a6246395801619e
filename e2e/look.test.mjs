// How the pages look, kept as pictures, and what can be measured of them.

import assert from "node:assert/strict"
import { launch, overTCP } from "./browser.mjs"
import { patience } from "./process.mjs"
import { before, test } from "./tests.mjs"
import { artifacts, Person, startChat } from "./world.mjs"

// shoot takes a screenshot. A headless browser on a busy machine says now and then
// that it cannot, and can a moment later. Nothing is judged by the pictures.
async function shoot(page, options) {
  for (const start = Date.now(); ; ) {
    try {
      return await page.screenshot(options)
    } catch (error) {
      if (Date.now() - start > patience || !String(error).includes("Unable to capture screenshot")) throw error
    }
  }
}

const phone = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
const looks = {
  "desktop": {},
  "desktop-dark": { colorScheme: "dark" },
  "tablet": { viewport: { width: 800, height: 600 } },
  "phone": phone,
  "phone-dark": { ...phone, colorScheme: "dark" },
  "phone-small": { ...phone, viewport: { width: 320, height: 568 } },
}

let browser
let chat

before(async () => {
  browser = await launch(...overTCP)
  chat = await startChat()
})

// fits checks that nothing stands out of the page, and every control is large enough for a thumb.
async function fits(page) {
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "wider than the window")
  assert.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), "higher than the window")
  for (const control of await page.locator("button:visible, input:visible, textarea:visible, nav a:visible, .back:visible").all()) {
    const { width, height } = await control.boundingBox()
    assert.ok(width >= 40 && height >= 40, `${await control.textContent()} measures ${width} x ${height}`)
  }
}

// lastSeen checks that the last line of the log can be seen as a whole.
async function lastSeen(page) {
  await page.waitForFunction(() => {
    const log = document.getElementById("log").getBoundingClientRect()
    const last = document.getElementById("log").lastElementChild.getBoundingClientRect()
    return last.bottom <= log.bottom && last.top >= log.top
  })
}

// contrasts returns texts that are too faint to read: less than 4.5 to 1 against what is behind them.
const contrasts = (page) => page.evaluate(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = color
    canvas.fillRect(0, 0, 1, 1)
    return canvas.getImageData(0, 0, 1, 1).data
  }
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor)
      if (color[3] === 255) return color
    }
    return rgba("Canvas")
  }
  const faint = []
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("")
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) faint.push(`${text}: ${ratio.toFixed(2)}`)
  }
  return faint
})

for (const [look, options] of Object.entries(looks)) {
  test(`the pages look right: ${look}`, async () => {
    const ada = await Person.visit(browser, chat.url, { viewport: { width: 1100, height: 680 }, ...options })
    await shoot(ada.page, { path: `${artifacts}${look}-login.png` })
    await fits(ada.page)
    assert.deepEqual(await contrasts(ada.page), [])
    await ada.join("Ada")
    const bo = await Person.enter(browser, chat.url, "Grace")
    const conversation = [
      [bo, `Good morning! Is the new build up? (${look})`],
      [ada, "It is: http://localhost:3000"],
      [ada, `One page, one socket, no build step (${look}).`],
      [bo, `And when the server restarts? (${look})`],
      [ada, `The page waits a moment and connects again. Nobody has to reload anything (${look}).`],
      [bo, `Très bien, merci ! (${look})`],
    ]
    for (const [person, text] of conversation) {
      await person.say(text)
      await ada.sees(text)
      await bo.sees(text)
    }
    await ada.page.getByLabel("Message", { exact: true }).fill("Coffee at ten?")
    await lastSeen(ada.page)
    await shoot(ada.page, { path: `${artifacts}${look}.png` })
    await fits(ada.page)
    assert.deepEqual(await contrasts(ada.page), [])

    await ada.page.goto(`${chat.url}/rooms`)
    await shoot(ada.page, { path: `${artifacts}${look}-rooms.png` })
    await fits(ada.page)
    await ada.page.goto(`${chat.url}/rooms/staff`)
    await shoot(ada.page, { path: `${artifacts}${look}-door.png` })
    await fits(ada.page)
    assert.deepEqual(await contrasts(ada.page), [])
    await ada.leave({ quietly: false }) // 403 is a complaint
    await bo.sees("Ada left")
    await bo.leave()
  })
}

test("who is here opens on a phone, and closes", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada", phone)
  const people = ada.page.getByRole("complementary", { name: "Who is here" })
  assert.ok(await people.isHidden())
  await ada.page.getByRole("button", { name: "show who" }).click()
  await people.locator(".self").getByText("Ada").waitFor()
  await shoot(ada.page, { path: `${artifacts}phone-people.png` })
  await ada.page.keyboard.press("Escape")
  await people.waitFor({ state: "hidden" })
  await ada.leave()
})

test("a conversation longer than the page follows its end", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada", { viewport: { width: 600, height: 400 } })
  for (let i = 1; i <= 30; i++) {
    await ada.say(`line ${i}`)
    await ada.sees(`line ${i}`)
  }
  await lastSeen(ada.page)

  // Whoever has scrolled up to read stays there when others talk, and learns that they do.
  await ada.page.getByRole("log").evaluate((log) => (log.scrollTop = 0))
  await ada.page.evaluate(() => new Promise(requestAnimationFrame))
  const bo = await Person.enter(browser, chat.url, "Bo")
  await bo.say("do not jump")
  await ada.page.getByText("do not jump").waitFor({ state: "attached" })
  await ada.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  assert.equal(await ada.page.getByRole("log").evaluate((log) => log.scrollTop), 0)
  await shoot(ada.page, { path: `${artifacts}scrolled.png` })
  await ada.page.getByRole("button", { name: "New messages" }).click()
  await lastSeen(ada.page)
  assert.ok(await ada.page.getByRole("button", { name: "New messages" }).isHidden())
  await bo.leave()
  await ada.leave()
})

// A browser tells of a scroll in the frame after it: by then there may be more to read, and nobody has scrolled up.
test("a conversation faster than the browser's frames follows its end", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada", phone)
  const bo = await Person.enter(browser, chat.url, "Bo")
  await ada.page.evaluate(() => {
    const log = document.getElementById("log")
    const tall = (node) => node.classList?.contains("message") && (node.style.minHeight = "200px")
    window.late = 0
    new MutationObserver((records) => records.forEach((r) => r.addedNodes.forEach(tall))).observe(log, { childList: true })
    // Each frame's scroll is told of behind the frame's new messages: here, by telling it again.
    new MutationObserver(() => (log.dispatchEvent(new Event("scroll")), window.late++)).observe(log, { childList: true })
  })
  for (let i = 1; i <= 5; i++) {
    await bo.say(`quick ${i}`)
    await ada.sees(`quick ${i}`)
    await lastSeen(ada.page)
  }
  assert.ok((await ada.page.evaluate(() => window.late)) >= 5)
  await ada.leave()
  await bo.leave()
})

test("two windows in one picture", async () => {
  const fresh = await startChat()
  const ada = await Person.enter(browser, fresh.url, "Ada", { viewport: { width: 1000, height: 620 }, deviceScaleFactor: 2 })
  const grace = await Person.enter(browser, fresh.url, "Grace", { ...phone, viewport: { width: 350, height: 620 }, colorScheme: "dark" })
  const linus = await Person.enter(browser, fresh.url, "Linus")
  for (const name of ["Garden", "Release 2.0"]) {
    await linus.page.getByLabel("New room").fill(name)
    await linus.page.getByRole("button", { name: "Create" }).click()
    await linus.page.getByRole("heading", { name }).waitFor()
  }
  await linus.page.getByRole("link", { name: "Lobby" }).click()
  await linus.status("connected")
  for (const [person, text] of [
    [grace, "Good morning! Is the new build up?"],
    [ada, "It is. One page, one socket, no build step."],
    [grace, "My train was in a tunnel: nothing is missing."],
    [linus, "And when the server restarts?"],
    [ada, "The page waits a moment and connects again."],
  ]) {
    await person.say(text)
    await ada.sees(text)
    await grace.sees(text)
  }
  await ada.page.waitForFunction(() => document.querySelectorAll("#present li").length === 3)
  await Promise.all([
    ada.page.getByText("Grace is typing").waitFor(), // which passes
    grace.page.getByLabel("Message", { exact: true }).pressSequentially("Coffee"),
  ])
  const images = []
  for (const { page } of [ada, grace]) {
    await page.evaluate(() => document.querySelectorAll("#log .notice").forEach((line) => line.remove()))
    images.push(`data:image/png;base64,${(await shoot(page)).toString("base64")}`)
  }
  await shoot(grace.page, { path: `${artifacts}chat-phone.png` })
  const wall = await browser.newPage({ viewport: { width: 1460, height: 690 } })
  await wall.setContent(`
    <body style="margin:0;height:100vh;display:flex;gap:28px;align-items:center;justify-content:center;background:#d5dad8">
      ${images.map((src) => `<img src="${src}" height="620" style="border-radius:14px;box-shadow:0 4px 24px #0003">`).join("")}
    </body>`)
  await shoot(wall, { path: `${artifacts}chat.png` })
  await wall.close()
  for (const person of [ada, grace, linus]) await person.leave()
  assert.equal(await fresh.stop(), 0)
})
