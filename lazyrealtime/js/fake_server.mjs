// A hub for tests: a log per stream, and connections whose frames arrive when the test says so, in order, or
// never. It does what the real one promises: history first, live held until then, one answer per subscribe, and
// what is published under one name stored once.

import { PROTOCOL } from "./fake_browser.mjs";

/** A small generator (mulberry32): the same seed, the same run. */
export function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Log {
  epoch = "e1";
  messages = []; // {offset, id}
  tail = 0;
  gone = 0; // retention has passed this offset
  names = new Map(); // request -> offset

  append(id, step, data) {
    this.tail += step; // only the order of offsets has a meaning
    this.messages.push({ offset: this.tail, id, data });
  }

  retain(count) {
    while (this.messages.length > count) this.gone = this.messages.shift().offset;
  }

  behind(offset) {
    return this.messages.filter((message) => message.offset > offset);
  }
}

export class Server {
  logs = new Map();
  connections = new Set();
  tells = true; // positions in its confirmations
  asks = 0; // frames that the server has read
  refused = 0;
  outage = 0; // how likely it is that the log does not answer
  refusal = 0; // how likely it is that a message is refused, this time
  #ids = 0;

  constructor(world, random) {
    this.random = random;
    this.world = world;
    world.onsocket = (socket) => this.connections.add(new Connection(this, socket));
  }

  log(stream) {
    if (!this.logs.has(stream)) this.logs.set(stream, new Log());
    return this.logs.get(stream);
  }

  publish(stream, data) {
    this.log(stream).append(++this.#ids, 1 + Math.floor(this.random() * 3), data);
  }

  /** Stores what a client publishes, once: its offset. Undefined: the log did not answer, whatever it has done. */
  store(stream, request, data) {
    const log = this.log(stream);
    const fate = this.random();
    if (fate < this.outage / 2) return undefined;
    if (!log.names.has(request)) {
      this.publish(stream, data);
      log.names.set(request, log.tail);
    }
    return fate < this.outage ? undefined : log.names.get(request);
  }

  /** What a page rendered now would carry. */
  position(stream) {
    const { epoch, tail } = this.log(stream);
    return JSON.stringify({ epoch, offset: tail });
  }
}

class Connection {
  #in = []; // commands under way
  #out = []; // frames under way
  #subscriptions = new Map(); // identifier -> {stream, at, stuck}
  #accepted = false;

  constructor(server, socket) {
    this.server = server;
    this.socket = socket;
    socket.oncommand = (command) => this.#in.push(command);
  }

  /** Whether something is under way. */
  get busy() {
    return !this.#accepted || this.#in.length > 0 || this.#out.length > 0 || this.#behind() !== undefined;
  }

  get gone() {
    return this.socket.closed || this.socket.readyState > 1;
  }

  /** The next thing of a kind happens: a frame arrives at the client or the server, or the fanout runs. */
  step(kind) {
    if (!this.#accepted) return this.#accept();
    if (kind === "deliver" && this.#out.length > 0) this.socket.raw(this.#out.shift());
    if (kind === "read" && this.#in.length > 0) this.#read(this.#in.shift());
    if (kind === "fanout") this.#fanout();
  }

  ping() {
    if (this.#accepted) this.#tell({ type: "ping", message: Math.floor(this.server.world.wall / 1000) });
  }

  /** The line breaks: what is under way is lost, in both directions. */
  cut(code) {
    this.#in = [];
    this.#out = [];
    this.server.connections.delete(this);
    this.socket.cut(code);
  }

  restart() {
    this.#tell({ type: "disconnect", reason: "server_restart", reconnect: true });
  }

  #accept() {
    this.#accepted = true;
    this.socket.accept(PROTOCOL);
    this.#tell({ type: "welcome" });
  }

  #tell(frame) {
    this.#out.push(JSON.stringify(frame));
  }

  #read({ command, identifier, history, position, ...message }) {
    this.server.asks++;
    if (command === "message") this.#store(identifier, message);
    if (command === "unsubscribe") this.#subscriptions.delete(identifier);
    if (command === "subscribe") this.#subscribe(identifier, history, position);
  }

  #subscribe(identifier, history, position) {
    const confirm = { type: "confirm_subscription", identifier };
    if (this.#subscriptions.has(identifier)) return this.#tell(confirm);
    const stream = JSON.parse(identifier).signed_stream_name;
    const log = this.server.log(stream);
    const at = { [stream]: { epoch: log.epoch, offset: log.tail } };
    const from = history?.streams?.[stream] ?? (position && JSON.parse(position));
    this.#subscriptions.set(identifier, { stream, at: log.tail });
    this.#tell(this.server.tells ? { ...confirm, streams: at } : confirm);
    if (!from) return;
    if (from.epoch !== log.epoch || from.offset < log.gone) {
      this.server.refused++;
      this.#tell({ type: "reject_history", identifier, ...(this.server.tells && { streams: at }) });
      return;
    }
    for (const message of log.behind(from.offset)) this.#message(identifier, stream, message);
    this.#tell({ type: "confirm_history", identifier, ...(this.server.tells && { streams: at }) });
  }

  #store(identifier, { request, behind, data }) {
    const subscription = this.#subscriptions.get(identifier);
    const reply = (status, more) => this.#tell({ type: "reply", identifier, request, status, ...more });
    if (!subscription) return reply("refused", { reason: "no_subscription" });
    const stuck = behind !== undefined && behind === subscription.stuck;
    if (!stuck && this.server.random() < this.server.refusal) {
      subscription.stuck = request;
      return reply("refused", { reason: "denied" });
    }
    const offset = stuck ? undefined : this.server.store(subscription.stream, request, JSON.parse(data));
    if (offset !== undefined) {
      if (subscription.stuck === request) subscription.stuck = undefined;
      return reply("ok", { stream_id: subscription.stream, epoch: this.server.log(subscription.stream).epoch, offset });
    }
    subscription.stuck = request;
    reply("unavailable", { reason: stuck ? "behind" : "outage" });
  }

  #behind() {
    for (const [identifier, subscription] of this.#subscriptions) {
      const [message] = this.server.log(subscription.stream).behind(subscription.at);
      if (message) return { identifier, subscription, message };
    }
    return undefined;
  }

  #fanout() {
    const next = this.#behind();
    if (!next) return;
    next.subscription.at = next.message.offset;
    this.#message(next.identifier, next.subscription.stream, next.message);
  }

  #message(identifier, stream, { offset, id }) {
    const { epoch } = this.server.log(stream);
    this.#tell({ identifier, message: id, stream_id: stream, epoch, offset });
  }
}
