// The package ws as a peer of the program beside this directory. The first argument is the role: "client" sends the
// messages of each case to the case's URL and wants them back; "server" sends back what it gets. The job is a line of
// JSON on standard input, whose end is the end of this process. Every event is a line of JSON on standard output.

import { createInterface } from "node:readline"
import { readFileSync } from "node:fs"
import WebSocket, { WebSocketServer } from "ws"

const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n")

// options translates a case's wishes, if it has any, and has everything compressed then. What is not said is the
// package's default.
function options({ deflate }) {
  if (deflate === null) return true
  return {
    ...(deflate.server_no_context_takeover !== undefined && { serverNoContextTakeover: deflate.server_no_context_takeover }),
    ...(deflate.client_no_context_takeover !== undefined && { clientNoContextTakeover: deflate.client_no_context_takeover }),
    ...(deflate.server_max_window_bits !== undefined && { serverMaxWindowBits: deflate.server_max_window_bits }),
    // For a client, false is no such parameter in the offer, and true one without a value.
    ...(deflate.client_max_window_bits !== undefined && { clientMaxWindowBits: deflate.client_max_window_bits }),
    threshold: 0,
  }
}

// send sends a message, if so wished in pieces: the second of three ends within a character, the last may be empty.
function send(socket, data, binary, fragment) {
  if (!fragment) return socket.send(data, { binary })
  const step = Math.ceil(data.length / 2)
  socket.send(data.subarray(0, 1), { binary, fin: false })
  for (let at = 1; at < data.length; at += step) socket.send(data.subarray(at, at + step), { binary, fin: false })
  socket.send(Buffer.alloc(0), { binary, fin: true })
}

function runClient(test, messages) {
  return new Promise((resolve) => {
    const socket = new WebSocket(test.url, { perMessageDeflate: options(test), maxPayload: 0 })
    let received = 0
    let error = ""
    socket.on("open", () => {
      for (const { data, binary } of messages) send(socket, data, binary, test.fragment)
    })
    socket.on("message", (data, binary) => {
      const want = messages[received++]
      if (error || (want && want.binary === binary && want.data.equals(data))) {
        if (received === messages.length) socket.close(1000)
        return
      }
      error = `message ${received - 1} came back as another`
      socket.close(1000)
    })
    socket.on("error", (cause) => (error ||= cause.message))
    socket.on("close", (code) => {
      tell({ case: test.name, extensions: socket.extensions, received, closed: code, error })
      resolve()
    })
  })
}

function read(file) {
  return JSON.parse(readFileSync(file, "utf8")).map(({ text, binary }) =>
    text === undefined
      ? { binary: true, data: Buffer.from(binary ?? "", "base64") }
      : { binary: false, data: Buffer.from(text, "utf8") },
  )
}

function runServer(test) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: options(test), maxPayload: 0 })
  server.on("listening", () => tell({ case: test.name, port: server.address().port }))
  server.on("connection", (socket) => {
    let received = 0
    let error = ""
    socket.on("message", (data, binary) => {
      received++
      send(socket, data, binary, test.fragment)
    })
    socket.on("error", (cause) => (error ||= cause.message))
    socket.on("close", (code) => tell({ case: test.name, extensions: socket.extensions, received, closed: code, error }))
  })
}

const input = createInterface({ input: process.stdin })
input.on("close", () => process.exit(0))
input.once("line", async (line) => {
  const job = JSON.parse(line)
  if (process.argv[2] === "server") {
    job.cases.forEach(runServer)
    return
  }
  for (const test of job.cases) await runClient(test, read(test.messages))
  process.exit(0)
})
