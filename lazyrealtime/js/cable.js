// cable.js: topics over one WebSocket, in the browser, without dependencies.
//
//   import { Cable } from "/cable.js";
//   const cable = new Cable();
//   const received = (message) => show(message), gap = () => location.reload();
//   const room = cable.signedStream(name, { position, received, gap });
//   await room.publish({ text: "hello" });
//
// It speaks Action Cable's extended protocol (JSON text frames). What it adds is certainty: every
// subscription remembers the epoch and the offset of what it last received and names them when it comes
// back, so that each message arrives once and in order, or `gap` says that this is impossible. What it
// publishes is repeated until it is answered, and stored once and in order.
//
// Four owners of state: Cable has the socket and decides when to try again, Wire is one subscription as
// the server knows it, Outbox is what it has to publish, Subscription is one use of it by the page. All
// times are in milliseconds.

const PROTOCOL = "actioncable-v1-ext-json";

const DEFAULTS = {
  pingInterval: 3_000, // how often the server pings
  backoffBase: 1_000, // the n-th attempt waits a random part of min(backoffCap, backoffBase * 2^n)
  backoffCap: 30_000,
  restartWindow: 5_000, // a server that restarts gets its clients back over this time
  repeatWindow: 90_000, // for so long what may have been published is repeated; engines know it for 120,000
  tokenVia: "protocol",
};

const ANSWER = 10_000; // a subscribe is repeated, a presence question and a handshake fail after this
const SLACK = 1_000; // two missed pings are only missed after this much more
const SECOND_LOOK = 500; // messages that came while timers were frozen get this long to be handled
const HIDDEN_LIMIT = 90_000; // timers of hidden pages run once a minute, and nobody is looking
const LAG = 5_000; // a published message reaches its subscribers within this
const STABLE = 10_000; // a connection that lasted this long was a good one: delays start again from the base
const NUDGE = 500; // "at once" is a random moment within this: a whole office comes online together
const STEP = 1_000; // the longest timer while waiting for the next attempt
const QUEUE = 1_000; // messages that wait for an async iterator
const OUTBOX = 1_000; // messages of a subscription that wait to be published
const UNANSWERED = 8; // of these, how many are under way
const TOO_BIG = 1009; // the close code of who was sent more than he takes (RFC 6455, 7.4.1)
const UNTOUCHED = ["behind", "rate_limited"]; // why nothing was done with a message, for certain

/** One WebSocket, kept alive, and the subscriptions on it. Fires "statechange". */
export class Cable extends EventTarget {
  #env;
  #options;
  #url;
  #wires = new Map(); // identifier -> Wire
  #port; // what a Wire may ask of its Cable

  /** @type {import("./cable.d.ts").State} */
  #state = "connecting";
  #retryAt = null;
  #wait = { from: { wall: 0, steady: 0 }, delay: 0 };
  #reason = null;

  #socket = null;
  #largest = { size: 0, request: undefined }; // of what was sent on it
  #attempt = 0; // numbers the attempts, so that a late answer to an old one is known as such
  #failures = 0;
  #welcomed = null; // when the server said welcome, or null
  #heard = { wall: 0, steady: 0 }; // when anything last came, on both clocks
  #skew = 0; // the server's clock minus ours, from its pings
  #suspect = false;
  #retry;
  #watchdog;
  #parked = false; // the page is hidden for good, or in the back-forward cache

  /** @param {string | URL} [url] @param {import("./cable.d.ts").Options} [options] */
  constructor(url = "/cable", options = {}) {
    super();
    this.#env = { ...browser(), ...options.env };
    this.#options = { ...DEFAULTS, ...options };
    this.#url = new URL(url, this.#env.location?.href);
    this.#url.protocol = this.#url.protocol.replace(/^http/, "ws");
    this.#url.hash = "";
    this.#port = {
      env: this.#env,
      options: this.#options,
      send: (command) => this.#send(command),
      closed: () => this.#state === "closed",
      clocks: () => this.#clocks(),
      elapsed: (from) => this.#elapsed(from),
      forget: (wire) => this.#wires.delete(wire.identifier),
      restart: () => this.#lost(),
      quiet: () => this.#heard.wall - LAG,
      serverTime: (time) => time + this.#skew,
    };
    this.#listen();
    this.#connect(); // also when the browser says offline: a server on this machine may still be there
  }

  /**
   * "connecting", "open", "waiting" (until retryAt), "offline" or "closed" (for the reason).
   * @returns {import("./cable.d.ts").State}
   */
  get state() {
    return this.#state;
  }

  /** When the next attempt is due, in milliseconds since 1970; null unless waiting for one. */
  get retryAt() {
    return this.#retryAt;
  }

  /** Why the cable is closed, in the server's word or ours; null unless closed. */
  get reason() {
    return this.#reason;
  }

  /** Tries now: after close, after the server closed for good, or instead of waiting. */
  open() {
    if (this.#state === "open" || this.#state === "connecting") return;
    this.#failures = 0;
    this.#parked = false;
    this.#connect();
  }

  /** Ends the connection until open is called. Subscriptions and positions stay, what waits to be published goes. */
  close(reason = "closed") {
    this.#detach();
    for (const wire of this.#wires.values()) wire.outbox.empty("closed");
    this.#become("closed", { reason });
  }

  /**
   * Subscribes to a channel, now or as soon as there is a connection. Uses of one identifier share one
   * subscription on the wire. One that brings its own start gets a wire of its own when the shared one
   * has moved on, because it still needs what the others have already seen.
   * @param {string | { channel: string, [param: string]: unknown }} channel
   * @param {import("./cable.d.ts").Handlers | ((message: any, meta: any) => void)} [handlers]
   * @returns {Subscription}
   */
  subscribe(channel, handlers = {}) {
    const params = typeof channel === "string" ? { channel } : channel;
    const on = typeof handlers === "function" ? { received: handlers } : handlers;
    const start = { position: on.position, after: on.after };
    let identifier = identify(params);
    for (let copy = 2; this.#wires.get(identifier)?.tooLateFor(start); copy++) {
      identifier = identify({ ...params, copy });
    }
    let wire = this.#wires.get(identifier);
    if (!wire) this.#wires.set(identifier, (wire = new Wire(this.#port, identifier)));
    return new Subscription(wire, on, start);
  }

  /** Subscribes to a public stream by its name. */
  stream(name, handlers) {
    return this.subscribe({ channel: "$pubsub", stream_name: name }, handlers);
  }

  /** Subscribes to a stream by its signed name; handlers.position is where the page was rendered. */
  signedStream(name, handlers) {
    return this.subscribe({ channel: "$pubsub", signed_stream_name: name }, handlers);
  }

  #listen() {
    const { window, document } = this.#env;
    window?.addEventListener("online", () => this.#online());
    window?.addEventListener("offline", () => this.#offline());
    window?.addEventListener("pagehide", () => this.#park());
    window?.addEventListener("pageshow", () => this.#unpark());
    document?.addEventListener("visibilitychange", () => this.#wake());
    document?.addEventListener("resume", () => this.#wake());
  }

  async #connect() {
    this.#detach();
    const attempt = this.#attempt;
    this.#hear();
    this.#become("connecting");
    this.#watch(); // from here on, so that it also covers a token that never comes
    let token;
    try {
      token = await (typeof this.#options.token === "function" ? this.#options.token() : this.#options.token);
    } catch {
      if (attempt === this.#attempt) this.#lost();
      return;
    }
    if (attempt === this.#attempt) this.#dial(token);
  }

  #dial(token) {
    const url = new URL(this.#url);
    const protocols = [PROTOCOL];
    if (token && this.#options.tokenVia === "query") url.searchParams.set("jid", token);
    else if (token) protocols.push(`anycable-token.${token}`);
    let socket;
    try {
      socket = new this.#env.WebSocket(url.href, protocols);
    } catch (error) {
      return this.close(error.message); // a token that is no subprotocol, ws: from an https: page
    }
    this.#socket = socket;
    this.#largest = { size: 0, request: undefined };
    socket.onopen = () => socket.protocol === PROTOCOL || this.close("unsupported protocol");
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => {
      if (code === TOO_BIG) this.#tooBig();
      this.#lost(restarts(code) ? this.#options.restartWindow : 0);
    };
  }

  /** The server does not say what was too big, and would close again for it: it was the largest, if anything. */
  #tooBig() {
    const answer = { request: this.#largest.request, status: "refused", reason: "too_large" };
    for (const wire of this.#wires.values()) wire.outbox.answer(answer);
  }

  #receive(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return this.#lost(); // a frame that was skipped could be a message that was lost
    }
    this.#hear();
    switch (frame?.type) {
      case "welcome":
        return this.#welcome();
      case "ping":
        return this.#ping(frame);
      case "disconnect":
        return this.#disconnect(frame);
    }
    this.#wires.get(frame?.identifier)?.receive(frame);
  }

  #welcome() {
    this.#welcomed = this.#clocks();
    this.#become("open");
    this.#watch();
    for (const wire of this.#wires.values()) wire.ask();
  }

  #ping({ message }) {
    if (message > 0) this.#skew = message * 1000 - this.#env.now();
    this.#send({ command: "pong" }); // lets the server see peers that are gone
    for (const wire of this.#wires.values()) wire.askAgain();
  }

  /** The server says goodbye. Only an expired token can be mended from here. */
  #disconnect({ reason, reconnect }) {
    const renewable = reason === "token_expired" && typeof this.#options.token === "function";
    if (reconnect === false && !renewable) return this.close(reason ?? "closed by the server");
    this.#lost(reason === "server_restart" ? this.#options.restartWindow : 0);
  }

  #send(command) {
    if (this.#welcomed === null || this.#socket?.readyState !== 1) return false;
    const text = JSON.stringify(command);
    this.#socket.send(text);
    const size = bytes(text, this.#largest.size);
    if (size > this.#largest.size) this.#largest = { size, request: command.request };
    return true;
  }

  /** The connection is no more: tries again after a random part of the backoff's window, or a longer one. */
  #lost(window = 0) {
    this.#detach();
    const { backoffBase, backoffCap } = this.#options;
    this.#later(Math.max(window, Math.min(backoffCap, backoffBase * 2 ** this.#failures++)));
  }

  #later(window) {
    if (this.#env.navigator?.onLine === false) return this.#become("offline");
    const delay = Math.ceil(this.#env.random() * window);
    this.#wait = { from: this.#clocks(), delay };
    this.#countdown();
    this.#become("waiting", { retryAt: this.#env.now() + delay });
  }

  /** In short steps, for a timer that sleeps with the machine still has all its time to go afterwards. */
  #countdown() {
    this.#env.clearTimeout(this.#retry);
    const step = Math.ceil(Math.min(this.#left(), STEP));
    this.#retry = this.#env.setTimeout(() => (this.#left() > 0 ? this.#countdown() : this.#connect()), step);
  }

  #left() {
    return Math.max(0, this.#wait.delay - this.#elapsed(this.#wait.from));
  }

  #clocks() {
    return { wall: this.#env.now(), steady: this.#env.steady() };
  }

  /** The longer of what both clocks say: one may have been set back, the other may have slept. */
  #elapsed(from) {
    const { wall, steady } = this.#clocks();
    return Math.max(wall - from.wall, steady - from.steady);
  }

  /** Lets go of the socket, whatever state it is in; its close may take a minute and nobody waits for it. */
  #detach() {
    this.#attempt++;
    this.#env.clearTimeout(this.#retry);
    this.#env.clearTimeout(this.#watchdog);
    if (this.#welcomed && this.#elapsed(this.#welcomed) >= STABLE) this.#failures = 0;
    this.#welcomed = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const wire of this.#wires.values()) wire.cut();
  }

  #hear() {
    this.#heard = this.#clocks();
  }

  /**
   * Looks for silence, and again when it could have become too long. After a sleep, what came in meanwhile
   * may be queued behind this very look: hence the second one.
   */
  #watch() {
    if (this.#state !== "open" && this.#state !== "connecting") return;
    const left = this.#limit() - this.#elapsed(this.#heard);
    if (left <= 0 && this.#suspect) return this.#lost();
    this.#suspect = left <= 0;
    this.#env.clearTimeout(this.#watchdog);
    this.#watchdog = this.#env.setTimeout(() => this.#watch(), left > 0 ? left : SECOND_LOOK);
  }

  #limit() {
    if (this.#welcomed === null) return ANSWER;
    return this.#env.document?.hidden ? HIDDEN_LIMIT : 2 * this.#options.pingInterval + SLACK;
  }

  /** The page is looked at, or runs again. */
  #wake() {
    if (this.#parked || this.#env.document?.hidden) return;
    if (this.#state === "waiting" && this.#left() > NUDGE) this.#later(NUDGE);
    else if (!this.#suspect) this.#watch();
  }

  #online() {
    if (this.#parked) return;
    this.#failures = 0;
    if (this.#state === "offline" || this.#state === "waiting") this.#later(NUDGE);
    else this.#wake();
  }

  #offline() {
    if (this.#parked || this.#state === "closed") return;
    this.#detach();
    this.#become("offline");
  }

  /** An open socket keeps a page out of the back-forward cache, and dies in it. */
  #park() {
    if (this.#state === "closed") return;
    this.#detach();
    this.#parked = true;
    this.#become("waiting");
  }

  #unpark() {
    if (!this.#parked) return;
    this.#parked = false;
    this.#later(0);
  }

  #become(state, { retryAt = null, reason = null } = {}) {
    const same = state === this.#state && retryAt === this.#retryAt && reason === this.#reason;
    this.#state = state;
    this.#retryAt = retryAt;
    this.#reason = reason;
    if (!same) this.dispatchEvent(new Event("statechange"));
  }
}

/**
 * One identifier as the server knows it. At most one subscribe of an identifier is unanswered at a time,
 * so that no confirmation is taken for another's, and nothing that was sent to an earlier subscription is
 * taken for this one's: data count only after the confirmation.
 */
class Wire {
  #port;
  #uses = new Set(); // of Subscription
  #status = "none"; // on this socket: "none", "asked" or "live"
  #outdated = false; // what was asked was for uses that have left since; ask again after the answer
  #asks = 0; // subscribes sent on this socket
  #askedAt = 0;
  #quietUntil = null; // until when a confirmed subscription is known to have missed nothing
  #positions = new Map(); // stream -> {epoch, offset}
  #position; // the signed position of the page's rendering
  #joins = new Map(); // Subscription -> {id, info}
  #questions = new Set(); // who is there, unanswered

  constructor(port, identifier) {
    this.#port = port;
    this.identifier = identifier;
    this.outbox = new Outbox(port, this);
  }

  get live() {
    return this.#status === "live";
  }

  get positions() {
    return Object.fromEntries(this.#positions);
  }

  /** Whether a use that starts there would miss what this wire has already received. */
  tooLateFor({ position, after }) {
    if (this.#uses.size === 0) return false;
    if (after) return true;
    return position !== undefined && (this.#positions.size > 0 || position !== this.#position);
  }

  add(use, { position, after }) {
    if (this.#uses.size === 0) {
      this.#outdated = this.#status === "asked";
      this.#position = position;
      this.#positions = new Map(Object.entries(after ?? {}));
      this.#quietUntil = null;
    }
    this.#uses.add(use);
    if (this.live) queueMicrotask(() => this.live && this.#uses.has(use) && use.emit("confirmed", { again: false }));
    else this.ask();
  }

  remove(use) {
    this.leave(use);
    this.outbox.empty("unsubscribed", use);
    if (!this.#uses.delete(use) || this.#uses.size > 0) return;
    this.#answer(new Error("presence: unsubscribed"));
    if (this.#status === "asked") return; // the answer ends it, or finds it wanted again
    if (this.live) this.send({ command: "unsubscribe" });
    this.#port.forget(this);
  }

  send(command) {
    return this.#port.send({ ...command, identifier: this.identifier });
  }

  /** Subscribes, unless that has been done on this socket. */
  ask() {
    if (this.#status !== "none" || !this.send(this.#subscribe())) return;
    this.#status = "asked";
    this.#asks++;
    this.#askedAt = this.#port.env.steady();
  }

  /** Repeats a subscribe that got no answer; the server confirms a second one without a second replay. */
  askAgain() {
    if (this.#status !== "asked" || this.#port.env.steady() - this.#askedAt < ANSWER) return;
    this.#status = "none";
    this.ask();
  }

  /**
   * The signed position serves until a plain one is known, also on later attempts. A wire that was
   * confirmed and has heard nothing since has only a time, on the server's clock and rather too early than
   * too late: it cannot receive twice what it never received.
   */
  #subscribe() {
    const command = { command: "subscribe" };
    if (this.#positions.size > 0) return { ...command, history: { streams: this.positions } };
    if (this.#position !== undefined) return { ...command, position: this.#position };
    if (this.#quietUntil === null) return command;
    const since = Math.floor(this.#port.serverTime(this.#quietUntil) / 1000) - 1;
    return { ...command, history: { since } };
  }

  /** The server knows nothing of it any more: the socket is gone, or the subscription. */
  cut() {
    this.outbox.cut();
    if (this.live) this.#quietUntil = Math.max(this.#quietUntil, this.#port.quiet());
    this.#status = "none";
    this.#asks = 0;
    this.#outdated = false;
    if (this.#uses.size === 0) this.#port.forget(this);
  }

  receive(frame) {
    if (frame.type === "confirm_subscription") return this.#confirmed(frame);
    if (frame.type === "reject_subscription") return this.#rejected();
    if (!this.live) return; // sent to an earlier subscription
    if (frame.type === "confirm_history") return this.#learn(frame.streams);
    if (frame.type === "reject_history") return this.#gap(frame.streams);
    if (frame.type === "presence") return this.#presence(frame.message);
    if (frame.type === "reply") return this.outbox.answer(frame);
    if (frame.type === undefined) this.#deliver(frame);
  }

  #confirmed({ streams }) {
    if (this.#status !== "asked") return;
    if (this.#superseded(true)) return;
    const again = this.#quietUntil !== null;
    const fresh = this.#positions.size === 0 && this.#position === undefined && !again;
    this.#status = "live";
    if (fresh) this.#learn(streams); // otherwise it is where the replay will end
    this.#quietUntil ??= this.#port.env.now();
    if (this.#joins.size > 0) this.#join();
    if (this.#questions.size > 0) this.#question();
    this.outbox.flush();
    this.#emit("confirmed", { again });
  }

  #rejected() {
    if (this.#status !== "asked" || this.#superseded(false)) return;
    this.#answer(new Error("presence: subscription rejected"));
    this.outbox.empty("rejected");
    const uses = [...this.#uses];
    this.#uses.clear();
    this.cut();
    for (const use of uses) use.reject();
  }

  /** Whether the answer was to a subscribe that nobody waits for any more; if so, does what is wanted now. */
  #superseded(subscribed) {
    if (this.#uses.size > 0 && !this.#outdated) return false;
    if (this.#asks > 1) {
      this.#port.restart(); // another answer to the same may follow, and nobody could tell what it answers
      return true;
    }
    if (subscribed) this.send({ command: "unsubscribe" });
    this.cut();
    if (this.#uses.size > 0) this.ask();
    return true;
  }

  /** Exactly once: what is not newer than the position has been here already. */
  #deliver({ message, stream_id: stream, epoch, offset }) {
    const fleeting = offset === undefined;
    if (!fleeting) {
      const last = this.#positions.get(stream);
      if (last && last.epoch !== epoch) this.#gap(); // another log: nobody knows what was between them
      else if (last && offset <= last.offset) return;
      this.#positions.set(stream, { epoch, offset });
    }
    this.#emit("received", message, { stream, epoch, offset, fleeting });
  }

  #learn(streams) {
    for (const [stream, { epoch, offset }] of Object.entries(streams ?? {})) {
      const last = this.#positions.get(stream);
      if (!last || last.epoch !== epoch || offset > last.offset) this.#positions.set(stream, { epoch, offset });
    }
  }

  #gap(streams) {
    this.#positions.clear();
    this.#position = undefined;
    this.#quietUntil = this.#port.env.now();
    this.#learn(streams);
    this.#emit("gap");
  }

  #emit(name, ...args) {
    for (const use of this.#uses) use.emit(name, ...args);
  }

  join(use, presence) {
    this.#joins.delete(use);
    this.#joins.set(use, presence); // the latest is the last
    if (this.live) this.#join();
  }

  leave(use) {
    if (!this.#joins.delete(use) || !this.live) return;
    if (this.#joins.size === 0) this.send({ command: "leave" });
    else this.#join();
  }

  #join() {
    this.send({ command: "join", presence: [...this.#joins.values()].at(-1) });
  }

  who() {
    const { setTimeout } = this.#port.env;
    return new Promise((resolve, reject) => {
      const question = { resolve, reject, timer: undefined };
      question.timer = setTimeout(() => {
        this.#questions.delete(question);
        reject(new Error("presence: no answer"));
      }, ANSWER);
      this.#questions.add(question);
      if (this.live) this.#question();
    });
  }

  #question() {
    this.send({ command: "presence", data: { return_records: true } });
  }

  #presence(event) {
    if (event?.type === "error") this.#answer(new Error("presence: refused"));
    if (event?.type === "info" && event.records) this.#answer(event);
    this.#emit("presence", event);
  }

  #answer(answer) {
    for (const { resolve, reject, timer } of this.#questions) {
      this.#port.env.clearTimeout(timer);
      if (answer instanceof Error) reject(answer);
      else resolve({ total: answer.total, records: answer.records });
    }
    this.#questions.clear();
  }
}

/** Why something was not published, or perhaps not: `uncertain` says that it may be in the log all the same. */
export class PublishError extends Error {
  name = "PublishError";

  constructor(reason, uncertain = false) {
    super(`cable: ${uncertain ? "perhaps not" : "not"} published: ${reason}`);
    this.reason = reason;
    this.uncertain = uncertain;
  }
}

/**
 * What the page publishes through one Wire, oldest first, until it is answered. A message keeps its name
 * when it is sent again, and the server stores a name once. Each says behind which unanswered one it
 * stands, and the server does nothing with one that stands behind one it has not stored: so that they
 * are stored in this order, although several are under way. After such an answer all that is under way
 * comes back, and the oldest begins anew.
 */
class Outbox {
  #port;
  #wire;
  #letters = []; // {use, data, request, settle, sent, since, before, done}
  #returning = false; // one has come back, and those behind it will
  #outage = false; // and not because one was refused: trying again at once would be no use
  #pause = null; // the timer until the next try
  #tries = 0;

  constructor(port, wire) {
    this.#port = port;
    this.#wire = wire;
  }

  /** Publishes data, a JSON text, for a use. */
  add(use, data, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#port.closed()) return reject(new PublishError("closed"));
      if (this.#letters.length >= OUTBOX) return reject(new PublishError("too_many"));
      const letter = { use, data, request: this.#port.env.nonce() };
      const abort = () => this.#done(letter, () => reject(signal.reason));
      signal?.addEventListener("abort", abort, { once: true });
      letter.settle = (error, position) => this.#done(letter, () => {
        signal?.removeEventListener("abort", abort);
        if (error) reject(error);
        else resolve(position);
      });
      this.#letters.push(letter);
      this.flush();
    });
  }

  /** Ends a letter for the page; one that is under way stays until its answer, for what stands behind it. */
  #done(letter, act) {
    if (letter.done) return;
    letter.done = true;
    if (!letter.sent) this.#remove(letter);
    act();
  }

  #remove(letter) {
    this.#letters = this.#letters.filter((other) => other !== letter);
  }

  /** Sends what may be sent now. */
  flush() {
    if (!this.#wire.live || this.#returning || this.#pause !== null) return;
    const under = this.#letters.filter(({ sent }) => sent);
    for (const letter of this.#letters) {
      if (letter.sent) continue;
      if (under.length === UNANSWERED) return;
      if (this.#tooLate(letter)) letter.settle(new PublishError("unanswered", true));
      else if (!this.#post(letter, under.at(-1))) return;
      else under.push(letter);
    }
  }

  /** Whether the server may have stored it so long ago that it would not know it again. */
  #tooLate({ since }) {
    return since && this.#port.elapsed(since) > this.#port.options.repeatWindow;
  }

  #post(letter, ahead) {
    const { request, data, since } = letter;
    if (!this.#wire.send({ command: "message", data, request, behind: ahead?.request })) return false;
    letter.sent = true;
    letter.before = since;
    letter.since = since ?? this.#port.clocks();
    return true;
  }

  /** What the server says of a letter. One that it did nothing with is as uncertain as before. */
  answer({ request, status, reason, epoch, offset }) {
    const letter = this.#letters.find((letter) => letter.sent && letter.request === request);
    if (!letter) return;
    letter.sent = false;
    if (status === "unavailable") {
      this.#returning = true;
      this.#outage ||= reason !== "behind";
      if (UNTOUCHED.includes(reason)) letter.since = letter.before;
      if (letter.done) this.#remove(letter);
    } else {
      this.#tries = 0;
      this.#remove(letter);
      const position = epoch === undefined ? undefined : { epoch, offset };
      letter.settle(status === "ok" ? null : new PublishError(reason, Boolean(letter.before)), position);
    }
    this.#next();
  }

  #next() {
    if (!this.#returning) return this.flush();
    if (this.#letters.some(({ sent }) => sent)) return;
    this.#returning = false;
    if (!this.#outage) return this.flush();
    this.#outage = false;
    const { env, options } = this.#port;
    const window = Math.min(options.backoffCap, options.backoffBase * 2 ** this.#tries++);
    this.#pause = env.setTimeout(() => {
      this.#pause = null;
      this.flush();
    }, Math.ceil(env.random() * window));
  }

  /** No answer comes any more to what is under way. */
  cut() {
    this.#letters = this.#letters.filter(({ done }) => !done);
    for (const letter of this.#letters) letter.sent = false;
    this.#returning = this.#outage = false;
  }

  /** Gives up what is to be published, of one use or of all. */
  empty(reason, use = undefined) {
    for (const letter of this.#letters) {
      if (!use || letter.use === use) letter.settle(new PublishError(reason, Boolean(letter.since)));
    }
    if (this.#letters.length > 0) return;
    this.#port.env.clearTimeout(this.#pause);
    this.#pause = null;
  }
}

/** One use of a channel by the page; also an async iterable of {message, stream, epoch, offset, fleeting}. */
export class Subscription {
  #wire;
  #handlers;
  #ended = null; // "unsubscribed" or "rejected"
  #readers = new Set();

  /** Made by Cable.subscribe. */
  constructor(wire, handlers, start) {
    this.#wire = wire;
    this.#handlers = handlers;
    wire.add(this, start);
  }

  get identifier() {
    return this.#wire.identifier;
  }

  /** "pending", "confirmed", "rejected" or "unsubscribed". */
  get state() {
    return this.#ended ?? (this.#wire.live ? "confirmed" : "pending");
  }

  /** What was last received, {stream: {epoch, offset}}: a later page can start there (handlers.after). */
  get positions() {
    return this.#wire.positions;
  }

  /** Sends data to the channel. False, and nothing is sent, unless the subscription is confirmed now. */
  send(data) {
    sendable(data);
    return this.#command({ command: "message", data: JSON.stringify(data) });
  }

  /** Calls an action of the channel, as Action Cable does. */
  perform(action, data = {}) {
    return this.send({ ...data, action });
  }

  /**
   * Publishes data, as soon as there is a connection, and again until it is answered: {epoch, offset} where
   * the channel stores it. A PublishError says why not. What a signal aborts is not sent again; it may have
   * been published.
   */
  async publish(data, { signal } = {}) {
    sendable(data);
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError(`cable: a ${typeof data} cannot be sent`);
    if (this.#ended) throw new PublishError(this.#ended);
    return this.#wire.outbox.add(this, text, signal);
  }

  /** Sends data to the other subscribers, without the log: typing, cursors. */
  whisper(data) {
    sendable(data);
    return this.#command({ command: "whisper", data });
  }

  /** Is present, from now on and again after every reconnect. The server takes the id from the identity. */
  join(info = {}, id = undefined) {
    if (!this.#ended) this.#wire.join(this, { id, info });
  }

  leave() {
    this.#wire.leave(this);
  }

  /** Asks who is present: {total, records: [{id, info}]}. Waits for a connection, at most ten seconds. */
  who() {
    return this.#ended ? Promise.reject(new Error(`presence: ${this.#ended}`)) : this.#wire.who();
  }

  unsubscribe() {
    if (!this.#ended) this.#end("unsubscribed");
    this.#wire.remove(this);
  }

  #command(command) {
    return this.state === "confirmed" && this.#wire.send(command);
  }

  #end(how) {
    this.#ended = how;
    for (const reader of this.#readers) reader({ done: true });
  }

  /** For the Wire. A handler that throws is reported, and stops nothing. */
  emit(name, ...args) {
    if (name === "received") for (const reader of this.#readers) reader({ value: { message: args[0], ...args[1] } });
    if (name === "gap") for (const reader of this.#readers) reader({ error: new Error("cable: gap in the history") });
    try {
      this.#handlers[name]?.(...args);
    } catch (error) {
      report(error);
    }
  }

  /** For the Wire. */
  reject() {
    if (this.#ended) return;
    this.emit("rejected");
    this.#end("rejected");
  }

  /** Messages from the first next() on. A gap, and a reader too slow for a thousand messages, are errors. */
  async *[Symbol.asyncIterator]() {
    const queue = this.#ended ? [{ done: true }] : [];
    let wake = (_) => {};
    const reader = (item) => {
      if (queue.length === QUEUE) item = { error: new Error("cable: reader is too slow") };
      if (queue.length <= QUEUE) queue.push(item);
      wake();
    };
    this.#readers.add(reader);
    try {
      for (;;) {
        while (queue.length === 0) await new Promise((resolve) => (wake = resolve));
        const { value, error, done } = queue.shift();
        if (error) throw error;
        if (done) return;
        yield value;
      }
    } finally {
      this.#readers.delete(reader);
    }
  }
}

/**
 * Defines <cable-stream signed-stream-name="..." position="...">: what it receives is rendered by Turbo,
 * and a gap refreshes the page. Both attributes are watched, so that a morphed page goes on from the
 * position that it was rendered at. What has been received since is kept in the attribute "seen", which
 * follows the element into Turbo's snapshots: a restored page goes on from what it shows.
 * The element fires cable:confirmed, cable:rejected and cable:gap (cancel it, and nothing is refreshed).
 */
export function defineCableStream(cable = new Cable(), tag = "cable-stream") {
  if (customElements.get(tag)) return;
  const watched = ["signed-stream-name", "position", "seen"];

  class CableStream extends HTMLElement {
    static observedAttributes = watched;
    #subscription = null;
    #due = false;
    #writing = false;

    connectedCallback() {
      this.#subscribe();
    }

    disconnectedCallback() {
      this.#subscription?.unsubscribe();
      this.#subscription = null;
    }

    /** Once for all attributes that change together; our own writes do not count. */
    attributeChangedCallback() {
      if (this.#writing || this.#due || !this.#subscription) return;
      this.#due = true;
      queueMicrotask(() => {
        this.#due = false;
        if (this.isConnected) this.#subscribe();
      });
    }

    #subscribe() {
      this.#subscription?.unsubscribe();
      const [name, position, seen] = watched.map((attribute) => this.getAttribute(attribute) ?? undefined);
      const tell = (what) => this.dispatchEvent(new CustomEvent(`cable:${what}`, { bubbles: true, cancelable: true }));
      this.#subscription = cable.signedStream(name, {
        position,
        after: parse(seen),
        received: (message, { fleeting }) => {
          this.#show(String(message), fleeting, this.#subscription);
        },
        confirmed: () => tell("confirmed"),
        rejected: () => tell("rejected"),
        gap: () => tell("gap") && refresh(),
      });
    }

    /**
     * Hands a message to Turbo, which renders it with the next frame. If the page has been left by then it
     * would land in the next one, which may be newer: it is rendered only while this element is there. What
     * the page shows is noted when it does, so that a snapshot of it goes on behind that.
     */
    #show(html, fleeting, subscription) {
      const { positions } = subscription;
      const mine = () => this.isConnected && this.#subscription === subscription;
      let streams = 0;
      const own = (event) => {
        const { render } = event.detail;
        streams++;
        event.detail.render = async (stream) => {
          if (!mine()) return;
          await render(stream);
          if (mine() && !fleeting) this.#note(positions);
        };
      };
      // Turbo dispatches it while it takes the message: it is this message's.
      globalThis.addEventListener?.("turbo:before-stream-render", own);
      try {
        globalThis.Turbo?.renderStreamMessage(html);
      } finally {
        globalThis.removeEventListener?.("turbo:before-stream-render", own);
      }
      if (streams === 0 && !fleeting) this.#note(positions); // nothing to render
    }

    #note(positions) {
      this.#writing = true;
      this.setAttribute("seen", JSON.stringify(positions));
      this.#writing = false;
    }
  }
  customElements.define(tag, CableStream);
}

/** Refreshes the page through Turbo, soon: not all clients at once, and not again and again. */
let refreshing;
let refreshed = 0;
function refresh() {
  if (refreshing) return;
  const delay = Math.max(0, refreshed + 5_000 - Date.now()) + Math.random() * 1_000;
  refreshing = setTimeout(() => {
    refreshing = undefined;
    refreshed = Date.now();
    globalThis.Turbo?.renderStreamMessage('<turbo-stream action="refresh"></turbo-stream>');
  }, delay);
}

/**
 * The same parameters in any order are the same identifier.
 * @param {{ channel: string, [param: string]: unknown }} params
 */
function identify({ channel, ...rest }) {
  const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({ channel, ...Object.fromEntries(sorted) });
}

/** Close codes of a server that goes away for a while (RFC 6455, 7.4.1, and IANA's 1012 and 1013). */
function restarts(code) {
  return code === 1001 || code === 1012 || code === 1013;
}

/** Action Cable's clients drop messages that are "", 0, false or null, and a server ends who sends them. */
function sendable(data) {
  if (!data) throw new TypeError(`cable: ${JSON.stringify(data)} cannot be sent`);
}

/** The bytes of a text in UTF-8, or something smaller if they are certainly not more than a size. */
function bytes(text, size) {
  return 3 * text.length <= size ? text.length : new TextEncoder().encode(text).length;
}

/** 128 random bits: nobody can guess the name of a message, and publish another one under it. */
function nonce() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function report(error) {
  if (globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}

/** What is used of the browser; every part can be replaced (options.env). */
function browser() {
  return {
    WebSocket: globalThis.WebSocket,
    window: globalThis.addEventListener ? globalThis : undefined,
    document: globalThis.document,
    navigator: globalThis.navigator,
    location: globalThis.location,
    now: () => Date.now(),
    steady: () => performance.now(),
    random: () => Math.random(),
    nonce,
    setTimeout: (act, delay) => setTimeout(act, delay),
    clearTimeout: (timer) => clearTimeout(timer),
  };
}
