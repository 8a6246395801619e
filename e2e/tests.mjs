// Tests that end: one that waits for what does not come fails, and what has been started is stopped, whoever failed.

import assert from "node:assert/strict"
import * as node from "node:test"
import { closeBrowsers } from "./browser.mjs"
import { stopProcesses } from "./process.mjs"

const timeout = 240_000 // ms, of a test that takes 20 s where nothing else runs

export const { describe } = node
export const test = (name, body) => node.test(name, { timeout }, body)
export const before = (body) => node.before(body, { timeout })
export const beforeEach = (body) => node.beforeEach(body, { timeout })
export const afterEach = (body) => node.afterEach(body, { timeout })

node.after(async () => {
  await closeBrowsers()
  for (const { name, code, lines } of await stopProcesses()) assert.equal(code, 0, `${name} ended badly:\n${lines.join("\n")}`)
}, { timeout })
