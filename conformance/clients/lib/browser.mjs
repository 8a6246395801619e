// Chromium, with a page for each client.

import { chromium } from "playwright-core"

export class Browser {
  complaints = []
  pages = []

  async start() {
    this.chromium = await chromium.launch({
      executablePath: process.env.CHROMIUM,
      args: [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-background-timer-throttling",
        "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
      ],
    })
    this.context = await this.chromium.newContext({ viewport: { width: 300, height: 200 } })
    return this
  }

  // open opens a page, and waits until its client runs.
  async open(url) {
    const page = await this.context.newPage()
    page.setDefaultTimeout(30_000)
    page.on("pageerror", (error) => {
      if (error.name !== "AbortError") this.complaints.push(`${url}: ${error.stack ?? error}`) // Turbo's, of a visit that another one overtakes
    })
    let loads = 0
    page.on("load", () => ++loads > 1 && this.complaints.push(`${url}: the browser has loaded the page anew: ${page.url()}`))
    await page.goto(url)
    await page.waitForFunction(() => globalThis.suite !== undefined)
    this.pages.push(page)
    return page
  }

  async end() {
    await this.chromium.close()
  }
}
