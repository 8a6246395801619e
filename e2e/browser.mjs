// Chromium, and windows of it.

import { chromium } from "playwright-core"
import { patience } from "./process.mjs"

const browsers = new Set()

// launch starts a browser, with arguments beside those that all have.
export async function launch(...args) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", ...args,
    ],
  })
  browsers.add(browser)
  browser.on("disconnected", () => browsers.delete(browser))
  return browser
}

// overTCP are the arguments of a browser that believes every certificate, and leaves HTTP/3 alone.
export const overTCP = ["--disable-quic", "--ignore-certificate-errors"]

export function closeBrowsers() {
  return Promise.all(Array.from(browsers, (browser) => browser.close()))
}

// visit opens a page in a window of its own. Complaints are what the browser's console would show in red.
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(patience)
  const page = await context.newPage()
  const complaints = []
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
  await page.goto(url)
  return { context, page, complaints }
}
