// Ports of servers.

import { once } from "node:events"
import net from "node:net"

// freePort returns a port that nobody listens on, and none of those that the system gives to clients: a server
// that was killed comes back to its own.
export async function freePort() {
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
