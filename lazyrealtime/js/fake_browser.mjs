// A browser for tests: clock, timers, page and sockets that the test moves by hand. No real time passes.

export const PROTOCOL = "actioncable-v1-ext-json";

/** Lets everything that is ready run: promises, microtasks. */
export const settle = () => new Promise((done) => setImmediate(done));

export class World {
  wall = 1_700_000_000_000;
  steady = 5_000;
  sockets = [];
  #timers = new Set();

  constructor({ random = () => 0.5 } = {}) {
    const world = this;
    this.window = new EventTarget();
    this.document = Object.assign(new EventTarget(), { hidden: false });
    this.navigator = { onLine: true };
    this.env = {
      window: this.window,
      document: this.document,
      navigator: this.navigator,
      location: { href: "https://app.test/rooms/1" },
      now: () => this.wall,
      steady: () => this.steady,
      random,
      WebSocket: class extends Socket {
        constructor(url, protocols) {
          super(url, protocols);
          world.sockets.push(this);
          world.onsocket?.(this);
        }
      },
      setTimeout: (act, delay) => {
        const timer = { act, at: this.steady + delay };
        this.#timers.add(timer);
        return timer;
      },
      clearTimeout: (timer) => this.#timers.delete(timer),
    };
  }

  /** The newest socket. */
  get socket() {
    return this.sockets.at(-1);
  }

  get timers() {
    return this.#timers.size;
  }

  /** Lets time pass, timer by timer. */
  async advance(time) {
    await settle();
    const end = this.steady + time;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#move(Math.max(0, due.at - this.steady));
      this.#timers.delete(due);
      due.act();
      await settle();
    }
    this.#move(end - this.steady);
  }

  /** Time passes and no timer runs. `clocks` says which clocks notice. */
  sleep(time, clocks = ["wall", "steady"]) {
    for (const clock of clocks) this[clock] += time;
    if (!clocks.includes("steady")) return;
    for (const timer of this.#timers) timer.at += time; // frozen timers have their rest still before them
  }

  #move(time) {
    this.wall += time;
    this.steady += time;
  }

  /** Lets the page see or not see, be online or not, leave and come back. */
  async happen(type, { hidden = this.document.hidden, onLine = this.navigator.onLine } = {}) {
    this.document.hidden = hidden;
    this.navigator.onLine = onLine;
    const target = type === "visibilitychange" || type === "resume" ? this.document : this.window;
    target.dispatchEvent(new Event(type));
    await settle();
  }

  /** The newest socket connects and the server says welcome. */
  async welcome() {
    await settle();
    this.socket.accept();
    this.socket.tell({ type: "welcome" });
    await settle();
  }
}

class Socket {
  readyState = 0;
  protocol = "";
  commands = [];
  closed = false; // by the client

  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
  }

  accept(protocol = PROTOCOL) {
    this.readyState = 1;
    this.protocol = protocol;
    this.onopen?.({});
  }

  tell(frame) {
    this.raw(JSON.stringify(frame));
  }

  raw(data) {
    this.onmessage?.({ data });
  }

  cut(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  send(text) {
    if (this.readyState !== 1) throw new Error("InvalidStateError");
    const command = JSON.parse(text);
    this.commands.push(command);
    this.oncommand?.(command);
  }

  close() {
    this.closed = true;
    this.readyState = 2;
  }

  /** The commands since the last call, without pongs. */
  take() {
    return this.commands.splice(0).filter(({ command }) => command !== "pong");
  }
}
