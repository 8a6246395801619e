// The application whose pages the browsers look at: it keeps a list, which is the log of a topic as far as
// publishing was acknowledged, and renders it with the position that goes with it.

import { once } from "node:events"
import { readFile } from "node:fs/promises"
import http from "node:http"
import { extname, join, normalize } from "node:path"

import { sleep } from "./clock.mjs"
import { Process } from "./process.mjs"

const root = new URL("..", import.meta.url).pathname
const types = { ".js": "text/javascript", ".mjs": "text/javascript" }

const imports = {
  "@anycable/core": "/node_modules/@anycable/core/index.js",
  "@anycable/web": "/node_modules/@anycable/web/index.js",
  "@anycable/turbo-stream": "/node_modules/@anycable/turbo-stream/index.js",
  "nanoevents": "/node_modules/nanoevents/index.js",
  "@hotwired/turbo": "/node_modules/@hotwired/turbo/dist/turbo.es2017-esm.js",
  // Turbo and Action Cable in one, as the gem ships it.
  "@hotwired/turbo-rails": "/node_modules/@hotwired/turbo-rails/app/assets/javascripts/turbo.js",
  "@rails/actioncable": "/node_modules/@rails/actioncable/app/assets/javascripts/actioncable.esm.js",
}

// item is what is published for a list: Turbo appends it.
export const item = (topic) => (n) =>
  `<turbo-stream action="append" target="list"><template>${row(topic, n)}</template></turbo-stream>`
const row = (topic, n) => `<li id="item-${n}" data-t="${topic}" data-n="${n}">${n}</li>`

export class Pages {
  // storm: {ledger, hub, proxy, random, secret}
  constructor(secret) {
    this.signer = new Process(process.env.CLIENTS_SIGN, [], { env: { ...process.env, CLIENTS_SECRET: secret } })
    this.asked = Promise.resolve()
  }

  async start() {
    this.server = http.createServer((request, response) => {
      this.#serve(new URL(request.url, this.origin), response).catch((error) => {
        response.writeHead(500).end(String(error.stack))
      })
    })
    this.server.listen(0, "127.0.0.1")
    await once(this.server, "listening")
    this.origin = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  async end() {
    this.server.close()
    this.server.closeAllConnections()
    this.signer.child.stdin.end()
    await this.signer.exited
  }

  async #serve(url, response) {
    const html = (text) => response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" }).end(text)
    const script = (text, name) => response.writeHead(200, { "Content-Type": types[extname(name)] ?? "text/plain" }).end(text)
    if (url.pathname === "/plain") return html(this.#plain(url))
    if (url.pathname === "/list") return html(await this.#list(url))
    if (url.pathname === "/favicon.ico") return response.writeHead(204).end()
    if (url.pathname === "/cable.js") return script(await this.storm.script(), url.pathname)
    const path = normalize(url.pathname)
    return script(await readFile(join(root, path)), path)
  }

  // head is what all pages begin with: a clock that is wrong by as much as the page's address says, and the
  // modules' names.
  #head(url, config) {
    const skew = Number(url.searchParams.get("skew") ?? 0)
    return `<meta charset="utf-8"><title>${url.search}</title>
<script>
  {
    const skew = ${skew}, RealDate = Date
    if (skew !== 0) globalThis.Date = class extends RealDate {
      constructor(...args) { super(...(args.length > 0 ? args : [RealDate.now() + skew])) }
      static now() { return RealDate.now() + skew }
    }
  }
  globalThis.config = ${JSON.stringify({ ...config, ...Object.fromEntries(url.searchParams) })}
</script>
<script type="importmap">${JSON.stringify({ imports })}</script>`
  }

  #plain(url) {
    const { url: cable, topics, seed } = this.storm
    return `<!doctype html><html><head>${this.#head(url, { cable, topics, seed })}
<script type="module" src="/in/page.mjs"></script></head><body></body></html>`
  }

  // list renders the list as it is now, and takes its time to answer: meanwhile more is published.
  async #list(url) {
    const { ledger, random, seed, proxy } = this.storm
    const topic = "list"
    const kind = url.searchParams.get("kind") // "none" is a page without a list
    const { n, at } = ledger.acked(topic)
    const { name, position } = await this.#sign({ topic, ...at })
    const cable = `ws://127.0.0.1:${proxy.port}/cable`
    const rows = Array.from({ length: n }, (_, i) => row(topic, i + 1)).join("")
    await sleep(random.int(0, 250))
    return `<!doctype html><html><head>${this.#head(url, { cable, seed, topic })}
<meta name="action-cable-url" content="${cable}">
${url.searchParams.get("morph") ? '<meta name="turbo-refresh-method" content="morph">' : ""}
<script type="module" src="/in/list.mjs"></script></head>
<body>${kind === "none" ? "" : `<ul id="list">${rows}</ul>${element(kind, proxy.port, name, position, url.searchParams.get("fresh") ? ` id="${position}"` : "")}`}</body></html>`
  }

  // sign asks the signer: one question at a time.
  #sign(question) {
    const answer = this.asked.then(() => {
      const line = new Promise((resolve) => this.signer.child.stdout.once("data", resolve))
      this.signer.child.stdin.write(`${JSON.stringify(question)}\n`)
      return line
    })
    this.asked = answer
    return answer.then(JSON.parse)
  }
}

// element is the element that brings a page of a kind what is published. With an id of its own in each page it is not
// kept when one page is morphed into the next.
function element(kind, port, name, position, id) {
  const src = (scheme) => `${scheme}://127.0.0.1:${port}/stream?${new URLSearchParams({ name, position })}`.replaceAll("&", "&amp;")
  switch (kind) {
    case "turbo-rails":
    case "anycable":
      return `<turbo-cable-stream-source${id} channel="Turbo::StreamsChannel" signed-stream-name="${name}" data-position="${position}"></turbo-cable-stream-source>`
    case "element":
      return `<cable-stream signed-stream-name="${name}" position="${position}"></cable-stream>`
    case "ws":
      return `<turbo-stream-source src="${src("ws")}"></turbo-stream-source>`
    case "sse":
      return `<turbo-stream-source src="${src("http")}"></turbo-stream-source>`
    default:
      throw new Error(`a list of the kind ${kind}`)
  }
}
