// What the tests of the chat stand on: servers on free loopback ports, people on the chat page.

import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import http from "node:http"
import https from "node:https"
import { join } from "node:path"
import { visit } from "./browser.mjs"
import { freePort } from "./port.mjs"
import { Process } from "./process.mjs"

const tmp = process.env.E2E_TMP
if (!tmp) throw new Error("e2e: run e2e/run.sh: it builds what the tests need")

export const artifacts = new URL("./artifacts/", import.meta.url).pathname
mkdirSync(artifacts, { recursive: true })

const tls = ["-tls-cert", join(tmp, "cert.pem"), "-tls-key", join(tmp, "key.pem")]

// startChat starts a chat of its own, or one with the files of another: chat.home.
export async function startChat({ port, secure = false, home = mkdtempSync(join(tmp, "chat-")) } = {}) {
  port ??= await freePort() // which is nobody else's while the chat restarts
  const chat = new Process(join(tmp, "chat"), ["-addr", `localhost:${port}`, "-db", join(home, "chat.db"), ...(secure ? tls : [])])
  chat.home = home
  chat.url = (await chat.line(/^chat: (\S+)$/))[1]
  chat.port = port
  return chat
}

export async function startEcho() {
  const echo = new Process(join(tmp, "echo"), [])
  echo.url = (await echo.line(/^echo: (http\S+)$/))[1].replace("127.0.0.1", "localhost")
  return echo
}

export async function startProxy(to, { secure = false } = {}) {
  const proxy = new Process(join(tmp, "proxy"), ["-addr", "localhost:0", "-to", to, ...(secure ? tls : [])])
  const [, port] = await proxy.line(/^proxy: \S+:(\d+), /)
  proxy.url = `${secure ? "https" : "http"}://localhost:${port}`
  return proxy
}

// startNginx serves http on one port and https on another. What stands below /plain/ lacks the headers of an upgrade.
export async function startNginx(to) {
  const port = await freePort()
  let securePort
  do securePort = await freePort()
  while (securePort === port)
  const home = mkdtempSync(join(tmp, "nginx-")) // ports come again
  const file = join(home, "nginx.conf")
  const temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
  writeFileSync(file, `
    daemon off;
    ${process.getuid() === 0 ? "user root;" : ""}
    worker_processes 1;
    pid ${home}/pid;
    error_log stderr notice;
    events {}
    http {
      access_log off;
      ${temps.map((name) => `${name}_temp_path ${home}/${name};`).join("\n      ")}
      map $http_upgrade $connection_upgrade {
        default upgrade;
        ""      "";
      }
      server {
        listen 127.0.0.1:${port};
        listen 127.0.0.1:${securePort} ssl;
        ssl_certificate ${tmp}/cert.pem;
        ssl_certificate_key ${tmp}/key.pem;
        location / {
          proxy_pass ${to};
          proxy_http_version 1.1;
          proxy_set_header Host $http_host;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
        }
        location /plain/ {
          proxy_pass ${to}/;
          proxy_http_version 1.1;
          proxy_set_header Host $http_host;
        }
      }
    }
  `)
  const nginx = new Process(process.env.NGINX, ["-e", "stderr", "-p", home, "-c", file])
  await nginx.line(/start worker process \d+/)
  nginx.url = `http://localhost:${port}`
  nginx.secureURL = `https://localhost:${securePort}`
  return nginx
}

// upgrade sends a request for an upgrade by hand and returns the answer's status.
export async function upgrade(url, headers = {}) {
  const { get } = url.startsWith("https:") ? https : http
  const request = get(url, {
    rejectUnauthorized: false,
    headers: {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    },
  })
  const status = await new Promise((resolve, reject) => {
    request.on("response", (response) => resolve(response.statusCode))
    request.on("upgrade", (response) => resolve(response.statusCode))
    request.on("error", reject)
  })
  request.destroy()
  return status
}

// ---- people ----

// Person is somebody with a browser window of their own, in the chat's lobby.
export class Person {
  // visit opens a page: person.context, person.page, person.complaints.
  static async visit(browser, url, options = {}) {
    return Object.assign(new Person(), await visit(browser, url, { viewport: { width: 1100, height: 720 }, ...options }))
  }

  // enter visits the chat and logs in.
  static async enter(browser, url, name, options) {
    const person = await Person.visit(browser, url, options)
    await person.join(name)
    return person
  }

  async join(name) {
    await this.page.getByLabel("Your name").fill(name)
    await this.page.getByRole("button", { name: "Join" }).click()
    await this.status("connected")
  }

  async say(text) {
    await this.page.getByLabel("Message", { exact: true }).fill(text)
    await this.page.keyboard.press("Enter")
  }

  // sees waits for a line of the log, by its whole text: a message's, or a notice's.
  async sees(text) {
    await this.page.waitForFunction(
      (text) => [...document.querySelectorAll("#log .body, #log .notice")].some((line) => line.textContent === text),
      text,
    )
  }

  // status waits for a state of the connection, as it is shown.
  async status(state) {
    await this.page.locator(`[role=status][data-state=${state}]`).waitFor()
  }

  // warned waits for a notice above the form.
  async warned(text) {
    await this.page.getByRole("alert").filter({ hasText: text }).waitFor()
  }

  // log returns all lines of the log, messages only what people have said.
  log() {
    return this.page.getByRole("log").locator(".body, .notice").allTextContents()
  }

  messages() {
    return this.page.getByRole("log").locator(".body").allTextContents()
  }

  // leave closes the window, as people do: the page may still say goodbye.
  async leave({ quietly = true } = {}) {
    await this.page.close({ runBeforeUnload: false })
    await this.context.close()
    if (quietly) assert.deepEqual(this.complaints, [], "the browser complained")
  }
}
