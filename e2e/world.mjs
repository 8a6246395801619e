// What the tests stand on: servers as processes on free loopback ports, a browser, people on the chat page.

import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import http from "node:http"
import https from "node:https"
import net from "node:net"
import { join } from "node:path"
import { chromium } from "playwright-core"

const tmp = process.env.E2E_TMP
if (!tmp) throw new Error("e2e: run e2e/run.sh: it builds what the tests need")

export const artifacts = new URL("./artifacts/", import.meta.url).pathname
mkdirSync(artifacts, { recursive: true })

const tls = ["-tls-cert", join(tmp, "cert.pem"), "-tls-key", join(tmp, "key.pem")]

// ---- processes ----

// Process is a server that we started. Its output is kept line by line, for tests to wait for.
class Process {
  lines = []
  #waiting = new Set()

  constructor(command, args) {
    this.name = command
    this.child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
    this.exited = once(this.child, "exit")
    this.exited.then(() => this.#check())
    for (const stream of [this.child.stdout, this.child.stderr]) {
      let rest = ""
      stream.setEncoding("utf8").on("data", (data) => {
        const lines = (rest + data).split("\n")
        rest = lines.pop()
        this.lines.push(...lines)
        this.#check()
      })
    }
  }

  // line waits for a line of output, from the line with the number `from` on.
  line(pattern, from = 0) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const line = this.lines.slice(from).find((line) => pattern.test(line))
        if (line !== undefined) resolve(line.match(pattern))
        else if (this.child.exitCode === null && this.child.signalCode === null) return
        else reject(new Error(`${this.name} ended before it said ${pattern}:\n${this.lines.join("\n")}`))
        this.#waiting.delete(check)
      }
      this.#waiting.add(check)
      check()
    })
  }

  // stop asks the process to end, and returns its exit code.
  async stop() {
    this.child.kill("SIGTERM")
    const [code] = await this.exited
    return code
  }

  #check() {
    for (const check of this.#waiting) check()
  }
}

// startChat starts a chat of its own, or one with the files of another: chat.home.
export async function startChat({ addr = "localhost:0", secure = false, home = mkdtempSync(join(tmp, "chat-")) } = {}) {
  const chat = new Process(join(tmp, "chat"), ["-addr", addr, "-db", join(home, "chat.db"), ...(secure ? tls : [])])
  chat.home = home
  chat.url = (await chat.line(/^chat: (\S+)$/))[1]
  chat.port = new URL(chat.url).port
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
  const [port, securePort] = [await freePort(), await freePort()]
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

// freePort returns a port that nobody listens on, and none of those that the system gives to clients.
async function freePort() {
  for (;;) {
    const server = net.createServer().listen(20_000 + Math.floor(Math.random() * 12_000), "127.0.0.1")
    try {
      await once(server, "listening")
    } catch {
      continue
    }
    const { port } = server.address()
    server.close()
    await once(server, "close")
    return port
  }
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

// ---- browsers ----

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
    ],
  })
}

// Person is somebody with a browser window of their own, in the chat's lobby.
export class Person {
  complaints = [] // what the browser's console would show in red

  static async visit(browser, url, options = {}) {
    const person = new Person()
    person.context = await browser.newContext({ viewport: { width: 1100, height: 720 }, ...options })
    person.page = await person.context.newPage()
    person.page.setDefaultTimeout(30_000)
    person.page.on("pageerror", (error) => person.complaints.push(String(error)))
    person.page.on("console", (message) => message.type() === "error" && person.complaints.push(message.text()))
    await person.page.goto(url)
    return person
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
