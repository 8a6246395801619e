// permessage-deflate with a real browser: what is agreed, and that every message comes back as it was sent.

import assert from "node:assert/strict"
import { launch, overTCP } from "./browser.mjs"
import { before, test } from "./tests.mjs"
import { Person, startEcho } from "./world.mjs"

let browser
let echo

before(async () => {
  browser = await launch(...overTCP)
  echo = await startEcho()
})

// Chromium offers "permessage-deflate; client_max_window_bits", whatever a page does.
const agreed = {
  "default": "permessage-deflate; client_max_window_bits=12",
  "whole": "permessage-deflate",
  "small": "permessage-deflate; client_max_window_bits=9",
  "alone": "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  "thorough": "permessage-deflate",
}

for (const [path, extensions] of Object.entries(agreed)) {
  test(`messages come back compressed: ${path}`, async () => {
    const person = await Person.visit(browser, echo.url)
    const from = echo.lines.length
    const outcome = await person.page.evaluate(exchange, `ws://${new URL(echo.url).host}/${path}`)
    assert.deepEqual(outcome, { extensions, wrong: [], received: 400, code: 1000, wasClean: true })
    await echo.line(new RegExp(`^echo: /${path} ended: .*1000`), from)
    await person.leave()
  })
}

// exchange runs in the page.
async function exchange(url) {
  const messages = Array.from({ length: 400 }, (_, i) => {
    const size = [0, 1, 20, 63, 64, 125, 126, 500, 2000, 5000][i % 10] || 0
    const words = `{"id":${i},"from":"user-${i % 7}","text":"naïve Ωμέγα 語彙 🙂 ${(i * 7919) % 1000}"} `
    let text = ""
    while (text.length < size) text += words
    if (i % 3 > 0) return text.slice(0, size).toWellFormed()
    const bytes = new Uint8Array(i === 399 ? 1 << 20 : size)
    for (let at = 0; at < bytes.length; at++) bytes[at] = at % 5 ? at >> 3 : (at * i) >> 2
    if (i % 2) crypto.getRandomValues(bytes.subarray(0, 65536))
    return bytes
  })
  messages[200] = "語🙂".repeat(40_000)

  const socket = new WebSocket(url)
  socket.binaryType = "arraybuffer"
  const wrong = []
  let received = 0
  const same = (got, want) =>
    typeof want === "string"
      ? got === want
      : got instanceof ArrayBuffer && got.byteLength === want.length && new Uint8Array(got).every((byte, at) => byte === want[at])
  return new Promise((resolve) => {
    let extensions
    socket.addEventListener("open", () => {
      extensions = socket.extensions
      for (const message of messages) socket.send(message)
    })
    socket.addEventListener("message", ({ data }) => {
      if (!same(data, messages[received])) wrong.push(received)
      if (++received === messages.length) socket.close(1000)
    })
    socket.addEventListener("close", ({ code, wasClean }) => resolve({ extensions, wrong, received, code, wasClean }))
  })
}
