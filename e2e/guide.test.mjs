// The guide's browser block, and two people talking, on every way that leads to the application.

import assert from "node:assert/strict"
import { launch, overTCP } from "./browser.mjs"
import { browserBlock } from "./guide.mjs"
import { before, describe, test } from "./tests.mjs"
import { Person, startChat, startNginx, startProxy, upgrade } from "./world.mjs"

const block = browserBlock()
const world = {}

before(async () => {
  world.browser = await launch(...overTCP)
  world.chat = await startChat()
  world.secureChat = await startChat({ secure: true })
  world.nginx = await startNginx(`http://127.0.0.1:${world.chat.port}`)
  world.proxy = await startProxy(world.chat.url)
  world.secureProxy = await startProxy(world.chat.url, { secure: true })
})

const ways = {
  "http, direct": () => world.chat.url,
  "https, direct": () => world.secureChat.url,
  "http, behind nginx": () => world.nginx.url,
  "https, behind nginx": () => world.nginx.secureURL,
  "http, behind httputil.ReverseProxy": () => world.proxy.url,
  "https, behind httputil.ReverseProxy": () => world.secureProxy.url,
}

for (const [way, url] of Object.entries(ways)) {
  describe(way, () => {
    test("the guide's block gets its hello back", async () => {
      const person = await Person.visit(world.browser, url())
      const [message] = await Promise.all([
        person.page.waitForEvent("console", (message) => message.text().startsWith("socket message")),
        person.page.evaluate(block),
      ])
      assert.equal(message.text(), "socket message hello")
      await person.leave()
    })

    test("two people talk", async () => {
      const ada = await Person.enter(world.browser, url(), "Ada")
      const bo = await Person.enter(world.browser, url(), "Bo")
      await ada.sees("Bo joined")
      const said = [`Good morning, Bo (${way})`, `Good morning, Ada 🦊 (${way})`] // other ways lead to the same chat
      await ada.say(said[0])
      await bo.sees(said[0])
      await bo.say(said[1])
      for (const person of [ada, bo]) {
        await person.sees(said[1])
        await person.page.locator("#log:not(:has(.pending))").waitFor()
        assert.deepEqual((await person.messages()).slice(-2), said)
      }
      await bo.leave()
      await ada.sees("Bo left")
      await ada.leave()
    })

    test("a foreign page is refused", async () => {
      const socket = `${url()}/chat/socket`
      assert.equal(await upgrade(socket, { Origin: "https://evil.example" }), 403)
      assert.equal(await upgrade(socket, { Origin: new URL(url()).origin }), 101)
    })
  })
}

test("a proxy that keeps the Upgrade header to itself gets a clear answer", async () => {
  assert.equal(await upgrade(`${world.nginx.url}/plain/chat/socket`), 400)
})

test("another site's page cannot connect, in a browser", async () => {
  const page = `http://127.0.0.1:${world.chat.port}/chat/socket` // the other name of the same server, without a policy
  const person = await Person.visit(world.browser, page)
  const close = await person.page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url)
        socket.addEventListener("open", () => resolve("open"))
        socket.addEventListener("close", ({ code }) => resolve(code))
      }),
    `ws://localhost:${world.chat.port}/chat/socket`,
  )
  assert.equal(close, 1006)
  assert.ok(
    person.complaints.some((text) => text.includes("403")),
    `no word of 403 in ${person.complaints}`,
  )
  await person.leave({ quietly: false })
})
