// <cable-stream> on elements that do only what this one needs. Real ones are for the browser's tests.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Cable, defineCableStream } from "./cable.js";
import { World, settle } from "./fake_browser.mjs";

const identifier = '{"channel":"$pubsub","signed_stream_name":"s--1"}';
const data = (offset) => ({ identifier, message: `<m${offset}>`, stream_id: "room:1", epoch: "e1", offset });

class FakeElement extends EventTarget {
  #attributes = new Map();
  isConnected = false;

  getAttribute(name) {
    return this.#attributes.get(name) ?? null;
  }

  setAttribute(name, value) {
    this.#attributes.set(name, value);
    if (this.constructor.observedAttributes.includes(name)) this.attributeChangedCallback(name);
  }

  removeAttribute(name) {
    if (this.#attributes.delete(name)) this.attributeChangedCallback(name);
  }

  connect() {
    this.isConnected = true;
    this.connectedCallback();
  }

  disconnect() {
    this.isConnected = false;
    this.disconnectedCallback();
  }
}

let rendered;
let shown;
let frames; // what waits for the next frame
let CableStream;

async function paint() {
  frames.splice(0).forEach((callback) => callback());
  await settle();
}

/** Asks listeners how to render, and renders with the next frame, as Turbo does. */
function renderStreamMessage(html) {
  rendered.push(html);
  const event = Object.assign(new Event("turbo:before-stream-render"), { detail: { render: async () => shown.push(html) } });
  globalThis.dispatchEvent(event);
  frames.push(() => event.detail.render());
}

beforeEach(() => {
  const tags = new Map();
  rendered = [];
  shown = [];
  frames = [];
  const page = new EventTarget();
  for (const name of ["addEventListener", "removeEventListener", "dispatchEvent"]) {
    globalThis[name] = page[name].bind(page);
  }
  globalThis.HTMLElement = FakeElement;
  globalThis.CustomEvent ??= class extends Event {};
  globalThis.customElements = { get: (tag) => tags.get(tag), define: (tag, type) => tags.set(tag, (CableStream = type)) };
  globalThis.Turbo = { renderStreamMessage };
});

async function page(attributes = { "signed-stream-name": "s--1", position: "p1" }) {
  const world = new World();
  const cable = new Cable("/cable", { env: world.env });
  defineCableStream(cable);
  await world.welcome();
  const element = new CableStream();
  const events = [];
  for (const type of ["cable:confirmed", "cable:rejected", "cable:gap"]) {
    element.addEventListener(type, (event) => events.push(event));
  }
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.connect();
  return { world, cable, element, events, socket: world.socket };
}

const confirm = (socket) => socket.tell({ type: "confirm_subscription", identifier });

test("subscribes from its position, lets Turbo render, and ends with the element", async () => {
  const { socket, element, events } = await page();
  assert.deepEqual(socket.take(), [{ command: "subscribe", identifier, position: "p1" }]);
  confirm(socket);
  socket.tell({ identifier, message: "<fleeting>" });
  assert.equal(element.getAttribute("seen"), null);
  socket.tell(data(4));
  assert.deepEqual(rendered, ["<fleeting>", "<m4>"]);
  assert.equal(element.getAttribute("seen"), null, "Turbo shows it with the next frame");
  await paint();
  assert.equal(element.getAttribute("seen"), '{"room:1":{"epoch":"e1","offset":4}}');
  await settle();
  assert.deepEqual(socket.take(), [], "its own note is no change");
  element.disconnect();
  assert.deepEqual(socket.take(), [{ command: "unsubscribe", identifier }]);
  assert.deepEqual(events.map(({ type }) => type), ["cable:confirmed"]);
});

test("a page that is left before the next frame says what it shows", async () => {
  const { socket, element } = await page();
  confirm(socket);
  socket.tell(data(4));
  element.disconnect();
  await paint();
  assert.equal(element.getAttribute("seen"), null);
  assert.deepEqual(shown, [], "it would land in the next page");
});

test("a restored snapshot goes on from what it shows", async () => {
  const seen = '{"room:1":{"epoch":"e1","offset":4}}';
  const { socket } = await page({ "signed-stream-name": "s--1", position: "p1", seen });
  assert.deepEqual(socket.take(), [{ command: "subscribe", identifier, history: { streams: JSON.parse(seen) } }]);
});

test("a morphed element starts again from the new rendering, once for all attributes", async () => {
  const { socket, element } = await page();
  confirm(socket);
  socket.tell(data(4));
  socket.take();
  element.setAttribute("position", "p2");
  element.removeAttribute("seen");
  await settle();
  assert.deepEqual(socket.take(), [
    { command: "unsubscribe", identifier },
    { command: "subscribe", identifier, position: "p2" },
  ]);
  confirm(socket);
  assert.deepEqual(socket.take(), [], "nothing is left to do");
});

test("a morph that only takes away what was seen starts again from the rendering", async () => {
  const { socket, element } = await page();
  confirm(socket);
  socket.tell(data(4));
  await paint();
  socket.take();
  element.removeAttribute("seen");
  await settle();
  assert.equal(socket.take().at(-1).position, "p1");
  confirm(socket);
  socket.tell(data(4));
  assert.deepEqual(rendered, ["<m4>", "<m4>"]);
});

test("attributes that change as the element goes subscribe to nothing", async () => {
  const { socket, element } = await page();
  confirm(socket);
  socket.take();
  element.setAttribute("position", "p2");
  element.disconnect();
  await settle();
  assert.deepEqual(socket.take(), [{ command: "unsubscribe", identifier }]);
});

test("a gap refreshes the page once, soon, and not again within five seconds", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  try {
    const { socket, events } = await page();
    confirm(socket);
    const gap = () => socket.tell({ type: "reject_history", identifier });
    const refresh = '<turbo-stream action="refresh"></turbo-stream>';
    gap();
    gap();
    assert.deepEqual(rendered, []);
    mock.timers.tick(1_000);
    assert.deepEqual(rendered, [refresh]);
    gap();
    mock.timers.tick(3_900);
    assert.equal(rendered.length, 1);
    mock.timers.tick(2_200);
    assert.deepEqual(rendered, [refresh, refresh]);
    assert.equal(events.at(-1).type, "cable:gap");
  } finally {
    mock.timers.reset();
  }
});

test("a page that cancels cable:gap does what it likes", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 2_000_000 });
  try {
    const { socket, element } = await page();
    element.addEventListener("cable:gap", (event) => event.preventDefault());
    confirm(socket);
    socket.tell({ type: "reject_history", identifier });
    mock.timers.tick(20_000);
    assert.deepEqual(rendered, []);
  } finally {
    mock.timers.reset();
  }
});

test("a rejection is told; no Turbo is no failure; a tag is defined once", async () => {
  const { socket, events, cable } = await page();
  socket.tell({ type: "reject_subscription", identifier });
  assert.deepEqual(events.map(({ type, bubbles }) => [type, bubbles]), [["cable:rejected", true]]);
  const first = CableStream;
  defineCableStream(cable);
  assert.equal(CableStream, first);

  delete globalThis.Turbo;
  const other = await page();
  confirm(other.socket);
  other.socket.tell(data(1));
});
