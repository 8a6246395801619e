// How the page looks, kept as pictures, and what can be measured of it.

import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { artifacts, launch, Person, startChat } from "./world.mjs"

// shoot takes a screenshot. A headless browser on a busy machine says now and then
// that it cannot, and can a moment later.
async function shoot(page, options) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await page.screenshot(options)
    } catch (error) {
      if (attempt === 5 || !String(error).includes("Unable to capture screenshot")) throw error
    }
  }
}

const phone = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }
const looks = {
  "desktop": {},
  "desktop-dark": { colorScheme: "dark" },
  "phone": phone,
  "phone-dark": { ...phone, colorScheme: "dark" },
  "phone-small": { ...phone, viewport: { width: 320, height: 568 } },
}

let browser
let chat

before(async () => {
  browser = await launch()
  chat = await startChat()
})
after(async () => {
  await browser?.close()
  assert.equal(await chat?.stop(), 0)
})

for (const [look, options] of Object.entries(looks)) {
  test(`the page looks right: ${look}`, async () => {
    const ada = await Person.visit(browser, chat.url, { viewport: { width: 1000, height: 640 }, ...options })
    await shoot(ada.page, { path: `${artifacts}${look}-join.png` })
    await ada.join("Ada")
    const bo = await Person.enter(browser, chat.url, "Grace")
    const conversation = [
      [bo, "Good morning! Is the new build up?"],
      [ada, "It is: http://localhost:3000"],
      [ada, "One page, one socket, no build step."],
      [bo, "And when the server restarts?"],
      [ada, "The page waits a moment and connects again. Nobody has to reload anything, and a draft stays in the form."],
      [bo, "Très bien, merci !"],
    ]
    for (const [person, text] of conversation) {
      await person.say(text)
      await ada.sees(text)
      await bo.sees(text)
    }
    await ada.page.getByLabel("Message", { exact: true }).fill("Coffee at ten?")
    await shoot(ada.page, { path: `${artifacts}${look}.png` })
    await shoot(bo.page, { path: `${artifacts}${look}-other.png` })

    // Nothing stands out of the page, every control is large enough for a thumb, and the last line can be seen.
    assert.ok(await ada.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "wider than the window")
    assert.ok(await ada.page.evaluate(() => document.documentElement.scrollHeight <= innerHeight), "higher than the window")
    for (const control of await ada.page.locator("button:visible, input:visible").all()) {
      const { width, height } = await control.boundingBox()
      assert.ok(width >= 40 && height >= 40, `${await control.textContent()} measures ${width} x ${height}`)
    }
    assert.ok(await ada.page.evaluate(() => {
      const log = document.getElementById("log").getBoundingClientRect()
      const last = document.getElementById("log").lastElementChild.getBoundingClientRect()
      return last.bottom <= log.bottom && last.top >= log.top
    }), "the last line is out of sight")
    await bo.leave()
    await ada.sees("Grace left")
    await ada.leave()
  })
}

test("a conversation longer than the page follows its end", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada", { viewport: { width: 600, height: 400 } })
  for (let i = 1; i <= 30; i++) {
    await ada.say(`line ${i}`)
    await ada.sees(`line ${i}`)
  }
  const bottom = () => ada.page.evaluate(() => {
    const log = document.getElementById("log")
    return log.scrollHeight - log.scrollTop - log.clientHeight < 2
  })
  await ada.page.waitForFunction(() => {
    const log = document.getElementById("log")
    return log.scrollTop > 0 && log.scrollHeight - log.scrollTop - log.clientHeight < 2
  })
  assert.ok(await bottom())

  // Whoever has scrolled up to read stays there when others talk.
  await ada.page.getByRole("log").evaluate((log) => (log.scrollTop = 0))
  await ada.page.evaluate(() => new Promise(requestAnimationFrame))
  const bo = await Person.enter(browser, chat.url, "Bo")
  await bo.say("do not jump")
  await ada.page.getByText("do not jump").waitFor({ state: "attached" })
  await ada.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  assert.equal(await ada.page.getByRole("log").evaluate((log) => log.scrollTop), 0)
  await shoot(ada.page, { path: `${artifacts}scrolled.png` })
  await bo.leave()
  await ada.leave()
})

test("a closed socket shows why", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada", phone)
  await ada.page.evaluate(() => sessionStorage.setItem("name", "x".repeat(40)))
  await ada.page.reload()
  await ada.status("closed")
  await ada.warned("a name has at most 32 characters")
  await shoot(ada.page, { path: `${artifacts}phone-closed.png` })
  await ada.leave()
})

test("two windows in one picture", async () => {
  const ada = await Person.enter(browser, chat.url, "Ada", { viewport: { width: 736, height: 560 }, deviceScaleFactor: 2 })
  const grace = await Person.enter(browser, chat.url, "Grace", { ...phone, viewport: { width: 340, height: 560 }, colorScheme: "dark" })
  for (const [person, text] of [
    [grace, "Good morning! Is the new build up?"],
    [ada, "It is. One page, one socket, no build step."],
    [grace, "And when the server restarts?"],
    [ada, "The page waits a moment and connects again."],
  ]) {
    await person.say(text)
    await ada.sees(text)
    await grace.sees(text)
  }
  const images = []
  for (const { page } of [ada, grace]) {
    images.push(`data:image/png;base64,${(await shoot(page)).toString("base64")}`)
  }
  const wall = await browser.newPage({ viewport: { width: 1160, height: 620 } })
  await wall.setContent(`
    <body style="margin:0;height:100vh;display:flex;gap:24px;align-items:center;justify-content:center;background:#d5dad8">
      ${images.map((src) => `<img src="${src}" height="560" style="border-radius:14px;box-shadow:0 4px 24px #0003">`).join("")}
    </body>`)
  await shoot(wall, { path: `${artifacts}chat.png` })
  await wall.close()
  await ada.leave()
  await grace.leave()
})
