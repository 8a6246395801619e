import assert from "node:assert/strict";
import { test } from "node:test";
import { Cable } from "./cable.js";
import { PROTOCOL, World, settle } from "./fake_browser.mjs";

const ROOM = '{"channel":"Room","id":1}';
const PUBSUB = '{"channel":"$pubsub","signed_stream_name":"s--1"}';

function start(options = {}, worldOptions = {}) {
  const world = new World(worldOptions);
  const cable = new Cable(options.url, { env: world.env, ...options });
  const states = [];
  cable.addEventListener("statechange", () => states.push(cable.state));
  return { world, cable, states };
}

async function opened(options, worldOptions) {
  const all = start(options, worldOptions);
  await all.world.welcome();
  return all;
}

/** Handlers that write down what they are told. */
function witness(extra = {}) {
  const seen = [];
  return {
    seen,
    received: (message, meta) => seen.push([message, meta.offset ?? null]),
    confirmed: ({ again }) => seen.push(again ? "again" : "confirmed"),
    rejected: () => seen.push("rejected"),
    gap: () => seen.push("gap"),
    presence: (event) => seen.push(event.type),
    ...extra,
  };
}

const confirm = (identifier, more) => ({ type: "confirm_subscription", identifier, ...more });
const data = (identifier, offset, epoch = "e1", stream_id = "room:1") => ({
  identifier, message: `m${offset}`, stream_id, epoch, offset,
});

/** A confirmed subscription to the stream, on an open cable. */
async function subscribed(extra, options) {
  const all = await opened(options);
  const w = witness(extra);
  const sub = all.cable.signedStream("s--1", w);
  all.world.socket.tell(confirm(PUBSUB));
  all.world.socket.take();
  w.seen.length = 0;
  return { ...all, sub, w };
}

// Connecting

test("connects to the page's origin with the extended protocol", async () => {
  const { world, cable } = start();
  assert.equal(cable.state, "connecting");
  await settle();
  assert.equal(world.socket.url, "wss://app.test/cable");
  assert.deepEqual(world.socket.protocols, [PROTOCOL]);
  world.socket.accept();
  assert.equal(cable.state, "connecting", "open is not yet welcome");
  world.socket.tell({ type: "welcome" });
  assert.equal(cable.state, "open");
});

test("http becomes ws, ws stays, the fragment goes", async () => {
  for (const [url, want] of [
    ["http://h.test/x?y=1#z", "ws://h.test/x?y=1"],
    ["ws://h.test/c", "ws://h.test/c"],
    [new URL("https://h.test/c"), "wss://h.test/c"],
  ]) {
    const { world } = start({ url });
    await settle();
    assert.equal(world.socket.url, want);
  }
});

test("a token goes as a subprotocol, or as jid, and is fetched for every attempt", async () => {
  let n = 0;
  const { world } = start({ token: async () => `t${++n}` });
  await settle();
  assert.deepEqual(world.socket.protocols, [PROTOCOL, "anycable-token.t1"]);
  world.socket.cut();
  await world.advance(1_000);
  assert.deepEqual(world.socket.protocols, [PROTOCOL, "anycable-token.t2"]);

  const query = start({ token: "a b", tokenVia: "query" }).world;
  await settle();
  assert.equal(query.socket.url, "wss://app.test/cable?jid=a+b");
  assert.deepEqual(query.socket.protocols, [PROTOCOL]);
});

test("a token that cannot be had is a failed attempt; one that never comes too", async () => {
  const { world, cable } = start({ token: () => Promise.reject(new Error("503")) });
  await settle();
  assert.equal(cable.state, "waiting");
  assert.equal(world.sockets.length, 0);

  const hung = start({ token: () => new Promise(() => {}) });
  await hung.world.advance(10_400);
  assert.equal(hung.cable.state, "connecting");
  await hung.world.advance(200);
  assert.equal(hung.cable.state, "waiting");
});

test("a token that comes late belongs to an attempt that is over", async () => {
  let give;
  const { world, cable } = start({ token: () => new Promise((resolve) => (give = resolve)) });
  cable.close();
  give("late");
  await settle();
  assert.equal(world.sockets.length, 0);
  assert.equal(cable.state, "closed");
});

test("a token that fails late belongs to an attempt that is over", async () => {
  let fail;
  const { cable } = start({ token: () => new Promise((_, reject) => (fail = reject)) });
  cable.close();
  fail(new Error("late"));
  await settle();
  assert.equal(cable.state, "closed");
});

test("another subprotocol, or none, closes the cable", async () => {
  const { world, cable } = start();
  await settle();
  world.socket.accept("");
  assert.equal(cable.state, "closed");
  assert.equal(cable.reason, "unsupported protocol");
  assert.ok(world.socket.closed);
});

test("a socket that cannot be made closes the cable and says why", async () => {
  const world = new World();
  world.onsocket = () => { throw new SyntaxError("bad token"); };
  const cable = new Cable("/cable", { env: world.env });
  await settle();
  assert.equal(cable.state, "closed");
  assert.equal(cable.reason, "bad token");
});

// Coming back

test("waits a random part of a doubling, capped time", async () => {
  const { world, cable } = start({}, { random: () => 0.999999 });
  const delays = [];
  for (let i = 0; i < 8; i++) {
    await settle();
    world.socket.cut();
    assert.equal(cable.state, "waiting");
    delays.push(Math.round(cable.retryAt - world.wall));
    await world.advance(cable.retryAt - world.wall + 1);
  }
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(world.sockets.length, 9);
});

test("the jitter is full: it can be nothing, and it is what random says", async () => {
  for (const part of [0, 0.25]) {
    const { world, cable } = start({}, { random: () => part });
    await settle();
    world.socket.cut();
    assert.equal(cable.retryAt - world.wall, part * 1000);
  }
});

test("the delay starts again only after a connection that lasted", async () => {
  const { world, cable } = start({}, { random: () => 0.999999 });
  const delay = async (lasts) => {
    await world.welcome();
    for (let t = 0; t < lasts; t += 1000) {
      world.socket.tell({ type: "ping" });
      await world.advance(1000);
    }
    world.socket.cut();
    const wait = Math.round(cable.retryAt - world.wall);
    await world.advance(wait);
    return wait;
  };
  assert.equal(await delay(1000), 1000);
  assert.equal(await delay(1000), 2000, "a server that welcomes and dies is not a good one");
  assert.equal(await delay(10_000), 1000);
});

test("states tell the page what happens", async () => {
  const { world, cable, states } = await opened();
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  cable.close();
  cable.close();
  assert.deepEqual(states, ["open", "waiting", "connecting", "open", "closed"]);
  assert.equal(cable.reason, "closed");
  cable.open();
  await settle();
  assert.equal(cable.state, "connecting");
  assert.equal(cable.reason, null);
});

test("open tries now instead of waiting", async () => {
  const { world, cable } = await opened();
  cable.open();
  assert.equal(cable.state, "open", "there is nothing to try");
  world.socket.cut();
  cable.open();
  await settle();
  assert.equal(world.sockets.length, 2);
  await world.advance(5_000);
  assert.equal(world.sockets.length, 2, "the old timer is gone");
});

test("a restarting server gets its clients back over the window", async () => {
  for (const leave of [
    (socket) => socket.tell({ type: "disconnect", reason: "server_restart", reconnect: true }),
    (socket) => socket.cut(1001),
    (socket) => socket.cut(1012),
  ]) {
    const { world, cable } = await opened({}, { random: () => 0.999999 });
    leave(world.socket);
    assert.equal(cable.state, "waiting");
    assert.equal(Math.round(cable.retryAt - world.wall), 5000);
    await world.advance(5000);
    assert.equal(world.sockets.length, 2);
  }
});

test("a server that restarts again and again is left alone for longer", async () => {
  const { world, cable } = await opened({}, { random: () => 0.999999 });
  const delays = [];
  for (let i = 0; i < 7; i++) {
    world.socket.tell({ type: "disconnect", reason: "server_restart", reconnect: true });
    delays.push(cable.retryAt - world.wall);
    await world.advance(cable.retryAt - world.wall);
    await world.welcome();
  }
  assert.deepEqual(delays, [5000, 5000, 5000, 8000, 16000, 30000, 30000]);
});

test("a server that forbids coming back is obeyed", async () => {
  const { world, cable } = await opened();
  world.socket.tell({ type: "disconnect", reason: "unauthorized", reconnect: false });
  assert.equal(cable.state, "closed");
  assert.equal(cable.reason, "unauthorized");
  assert.ok(world.socket.closed);
  await world.happen("offline", { onLine: false });
  await world.happen("online", { onLine: true });
  for (const type of ["visibilitychange", "pagehide", "pageshow"]) await world.happen(type);
  await world.advance(60_000);
  assert.equal(world.sockets.length, 1);
  assert.equal(cable.state, "closed");
});

test("other disconnects come back", async () => {
  for (const reason of ["no_pong", "too_slow", "remote"]) {
    const { world, cable } = await opened();
    world.socket.tell({ type: "disconnect", reason, reconnect: true });
    assert.equal(cable.state, "waiting");
    assert.equal(cable.retryAt - world.wall, 500);
  }
});

test("an expired token is renewed when there is a way to", async () => {
  let n = 0;
  const { world } = await opened({ token: () => `t${++n}` });
  world.socket.tell({ type: "disconnect", reason: "token_expired", reconnect: false });
  await world.advance(1_000);
  assert.deepEqual(world.socket.protocols, [PROTOCOL, "anycable-token.t2"]);

  const fixed = await opened({ token: "t" });
  fixed.world.socket.tell({ type: "disconnect", reason: "token_expired", reconnect: false });
  assert.equal(fixed.cable.state, "closed");
  assert.equal(fixed.cable.reason, "token_expired");
});

test("a frame that is no JSON ends the connection, not the cable", async () => {
  const { world, cable } = await opened();
  world.socket.raw("{");
  assert.equal(cable.state, "waiting");
});

test("what an abandoned socket still says does not count", async () => {
  const { world, cable } = await opened();
  const old = world.socket;
  const { onmessage, onclose } = old;
  old.cut();
  await world.advance(1_000);
  await world.welcome();
  old.raw("{");
  old.cut();
  assert.equal(old.onmessage, null);
  assert.equal(old.onclose, null);
  assert.ok(onmessage && onclose);
  assert.equal(cable.state, "open");
});

// Silence, sleep, pages

test("answers pings", async () => {
  const { world } = await opened();
  world.socket.tell({ type: "ping", message: 1 });
  assert.deepEqual(world.socket.commands, [{ command: "pong" }]);
});

test("two missed pings and the slack are silence", async () => {
  const { world, cable } = await opened();
  await world.advance(6_000);
  world.socket.tell({ type: "ping" });
  await world.advance(7_400);
  assert.equal(cable.state, "open");
  await world.advance(200);
  assert.equal(cable.state, "waiting");
  assert.ok(world.socket.closed);
});

test("any message is a sign of life, also during the second look", async () => {
  const { world, cable } = await opened();
  for (let i = 0; i < 10; i++) {
    await world.advance(7_200);
    world.socket.tell({ identifier: "?", message: "x" });
  }
  assert.equal(cable.state, "open");
});

test("a hidden page waits longer", async () => {
  const { world, cable } = await opened();
  await world.happen("visibilitychange", { hidden: true });
  await world.advance(60_000);
  assert.equal(cable.state, "open");
  await world.advance(30_700);
  assert.equal(cable.state, "waiting");
});

test("becoming visible after silence looks twice and comes back", async () => {
  const { world, cable } = await opened();
  await world.happen("visibilitychange", { hidden: true });
  await world.advance(20_000);
  await world.happen("visibilitychange", { hidden: false });
  await world.happen("visibilitychange", { hidden: false });
  assert.equal(cable.state, "open", "messages may be waiting behind the event");
  await world.advance(500);
  assert.equal(cable.state, "waiting");
});

test("sleep is seen on either clock, whatever the timers say", async () => {
  for (const clocks of [["wall"], ["steady"], ["wall", "steady"]]) {
    const { world, cable } = await opened();
    await world.advance(1_000);
    world.sleep(3_600_000, clocks);
    await world.happen("resume");
    assert.equal(cable.state, "open");
    await world.advance(500);
    assert.equal(cable.state, "waiting", `${clocks}`);
  }
});

test("a frozen page whose messages were waiting stays connected", async () => {
  const { world, cable } = await opened();
  world.sleep(10_000);
  await world.happen("resume");
  world.socket.tell({ type: "ping" });
  await world.advance(3_000);
  assert.equal(cable.state, "open");
});

test("a clock that is set back is no silence and no excuse", async () => {
  const { world, cable } = await opened();
  world.wall -= 3_600_000;
  await world.advance(7_600);
  assert.equal(cable.state, "waiting");
});

test("a handshake that hangs is given up", async () => {
  const { world, cable } = start();
  await world.advance(10_600);
  assert.equal(cable.state, "waiting");
  assert.ok(world.sockets[0].closed);
});

test("offline: no attempts; online: at once, within half a second, from the base", async () => {
  const { world, cable } = await opened({}, { random: () => 0.999999 });
  await world.happen("offline", { onLine: false });
  assert.equal(cable.state, "offline");
  assert.ok(world.socket.closed);
  await world.advance(600_000);
  assert.equal(world.sockets.length, 1);
  await world.happen("online", { onLine: true });
  assert.equal(cable.state, "waiting");
  await world.advance(500);
  assert.equal(world.sockets.length, 2);
});

test("coming online is a fresh start", async () => {
  const { world, cable } = start({}, { random: () => 0.999999 });
  for (let i = 0; i < 4; i++) {
    await settle();
    world.socket.cut();
    await world.advance(cable.retryAt - world.wall + 1);
  }
  await world.happen("online");
  world.socket.cut();
  assert.equal(cable.retryAt - world.wall, 1000);
});

test("a connection lost while offline waits for online", async () => {
  const { world, cable } = await opened();
  world.navigator.onLine = false;
  world.socket.cut();
  assert.equal(cable.state, "offline");
  await world.happen("visibilitychange");
  await world.advance(600_000);
  assert.equal(world.sockets.length, 1);
});

test("the first attempt does not ask whether the browser is online", async () => {
  const world = new World();
  world.navigator.onLine = false;
  const cable = new Cable("/cable", { env: world.env });
  await world.welcome();
  assert.equal(cable.state, "open");
});

test("becoming visible shortens a long wait, and does not lengthen a short one", async () => {
  const { world, cable } = start({}, { random: () => 0.999999 });
  for (let i = 0; i < 6; i++) {
    await settle();
    world.socket.cut();
    if (i < 5) await world.advance(cable.retryAt - world.wall + 1);
  }
  assert.equal(Math.round(cable.retryAt - world.wall), 30_000);
  await world.happen("visibilitychange", { hidden: true });
  assert.equal(Math.round(cable.retryAt - world.wall), 30_000);
  await world.happen("visibilitychange", { hidden: false });
  const { retryAt } = cable;
  assert.equal(Math.round(retryAt - world.wall), 500);
  await world.happen("visibilitychange", { hidden: false });
  assert.equal(cable.retryAt, retryAt);
});

test("a wait that the machine sleeps through is over, whatever rest its timer has", async () => {
  for (const clocks of [["wall"], ["wall", "steady"]]) {
    const { world, cable } = start({}, { random: () => 0.999999 });
    for (let i = 0; i < 6; i++) {
      await settle();
      world.socket.cut();
      if (i < 5) await world.advance(cable.retryAt - world.wall + 1);
    }
    const { length } = world.sockets;
    world.sleep(60_000, clocks);
    await world.advance(1_001);
    assert.equal(world.sockets.length, length + 1);
  }
});

test("a clock that is set back does not lengthen the wait", async () => {
  const { world } = start({ backoffBase: 8_000 }, { random: () => 0.999999 });
  await settle();
  world.socket.cut();
  world.wall -= 3_600_000;
  await world.advance(8_001);
  assert.equal(world.sockets.length, 2);
});

test("a page in the back-forward cache has no socket, no timers, and comes back at once", async () => {
  const { world, cable } = await opened();
  const sub = cable.signedStream("s--1");
  world.socket.tell(confirm(PUBSUB));
  world.socket.tell(data(PUBSUB, 5));
  await world.happen("pagehide");
  assert.ok(world.socket.closed);
  assert.equal(world.timers, 0);
  assert.equal(cable.state, "waiting");
  for (const type of ["online", "offline", "visibilitychange", "resume"]) await world.happen(type);
  await world.advance(60_000);
  assert.equal(world.sockets.length, 1);
  assert.equal(cable.state, "waiting");
  await world.happen("pageshow");
  await world.advance(0);
  await world.welcome();
  assert.deepEqual(world.socket.take(), [
    { command: "subscribe", identifier: PUBSUB, history: { streams: { "room:1": { epoch: "e1", offset: 5 } } } },
  ]);
  assert.equal(sub.state, "pending");
});

test("a page that leaves while it waits does not try, and wakes as always when it is back", async () => {
  const { world, cable } = start({ backoffBase: 20_000 });
  await settle();
  world.socket.cut();
  await world.happen("pagehide");
  await world.happen("visibilitychange");
  await world.advance(60_000);
  assert.equal(world.sockets.length, 1);
  await world.happen("pageshow");
  await world.advance(0);
  assert.equal(world.sockets.length, 2);
  await world.happen("offline");
  assert.equal(cable.state, "offline");
});

// Subscribing

test("a subscription made before the connection is sent with it", async () => {
  const { world, cable } = start();
  const w = witness();
  const sub = cable.subscribe({ id: 1, channel: "Room" }, w);
  assert.equal(sub.identifier, ROOM);
  await world.welcome();
  assert.deepEqual(world.socket.take(), [{ command: "subscribe", identifier: ROOM }]);
  assert.equal(sub.state, "pending");
  world.socket.tell(confirm(ROOM));
  assert.equal(sub.state, "confirmed");
  assert.deepEqual(w.seen, ["confirmed"]);
});

test("identifiers: a channel's name, streams, any order of parameters", async () => {
  const { cable } = await opened();
  assert.equal(cable.subscribe("Chat").identifier, '{"channel":"Chat"}');
  assert.equal(cable.stream("news").identifier, '{"channel":"$pubsub","stream_name":"news"}');
  assert.equal(cable.signedStream("s--1", { position: "p" }).identifier, PUBSUB);
  assert.equal(
    cable.subscribe({ b: 2, a: 1, channel: "C" }).identifier,
    cable.subscribe({ channel: "C", a: 1, b: 2 }).identifier,
  );
});

test("messages come with where they stand; a whisper stands nowhere", async () => {
  const metas = [];
  const { world } = await subscribed({ received: (message, meta) => metas.push([message, meta]) });
  world.socket.tell(data(PUBSUB, 7));
  world.socket.tell({ identifier: PUBSUB, message: { typing: true }, stream_id: "room:1" });
  assert.deepEqual(metas, [
    ["m7", { stream: "room:1", epoch: "e1", offset: 7, fleeting: false }],
    [{ typing: true }, { stream: "room:1", epoch: undefined, offset: undefined, fleeting: true }],
  ]);
});

test("empty, zero, false and null messages are messages", async () => {
  const { world, w } = await subscribed();
  ["", 0, false, null].forEach((message, i) =>
    world.socket.tell({ identifier: PUBSUB, message, stream_id: "s", epoch: "e", offset: i + 1 }));
  assert.deepEqual(w.seen, [["", 1], [0, 2], [false, 3], [null, 4]]);
});

test("a use of the same channel shares the subscription", async () => {
  const { world, cable } = await opened();
  const a = witness();
  const b = witness();
  const first = cable.subscribe("Room", a);
  const second = cable.subscribe("Room", b);
  const identifier = '{"channel":"Room"}';
  assert.equal(world.socket.take().length, 1);
  world.socket.tell(confirm(identifier));
  world.socket.tell({ identifier, message: "x" });
  const late = witness();
  const third = cable.subscribe("Room", late);
  await settle();
  assert.deepEqual(late.seen, ["confirmed"]);
  assert.deepEqual(a.seen, b.seen);
  first.unsubscribe();
  first.unsubscribe();
  second.unsubscribe();
  assert.deepEqual(world.socket.take(), []);
  world.socket.tell({ identifier, message: "y" });
  assert.deepEqual(late.seen, ["confirmed", ["y", null]]);
  assert.equal(a.seen.length, 2);
  third.unsubscribe();
  assert.deepEqual(world.socket.take(), [{ command: "unsubscribe", identifier }]);
  assert.equal(third.state, "unsubscribed");
});

test("a rejected subscription is over, and not asked for again", async () => {
  const { world, cable } = await opened();
  const w = witness();
  const sub = cable.subscribe("Room", w);
  world.socket.tell({ type: "reject_subscription", identifier: sub.identifier });
  assert.deepEqual(w.seen, ["rejected"]);
  assert.equal(sub.state, "rejected");
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  assert.deepEqual(world.socket.take(), []);
  cable.subscribe("Room");
  assert.equal(world.socket.take().length, 1, "a new use asks anew");
  world.socket.tell({ type: "reject_subscription", identifier: sub.identifier });
  cable.subscribe("Room");
  assert.equal(world.socket.take().length, 1, "also at once");
  sub.unsubscribe();
  assert.deepEqual(world.socket.take(), []);
});

test("a rejection that ends another use is not that one's any more", async () => {
  const { world, cable } = await opened();
  const w = witness();
  const sub = cable.subscribe("Room", { rejected: () => other.unsubscribe() });
  const other = cable.subscribe("Room", w);
  world.socket.tell({ type: "reject_subscription", identifier: sub.identifier });
  assert.deepEqual(w.seen, []);
  assert.equal(other.state, "unsubscribed");
});

test("a subscribe without an answer is repeated after ten seconds", async () => {
  const { world, cable } = await opened();
  const w = witness();
  cable.signedStream("s--1", { ...w, position: "p1" });
  const want = [{ command: "subscribe", identifier: PUBSUB, position: "p1" }];
  assert.deepEqual(world.socket.take(), want);
  for (let i = 0; i < 3; i++) {
    await world.advance(3_000);
    world.socket.tell({ type: "ping" });
  }
  assert.deepEqual(world.socket.take(), []);
  await world.advance(3_000);
  world.socket.tell({ type: "ping" });
  assert.deepEqual(world.socket.take(), want);
  world.socket.tell(confirm(PUBSUB));
  world.socket.tell(confirm(PUBSUB));
  assert.deepEqual(w.seen, ["confirmed"], "told once");
  await world.advance(3_000);
  world.socket.tell({ type: "ping" });
  assert.deepEqual(world.socket.take(), []);
});

test("unsubscribe then subscribe ends subscribed", async () => {
  const { world, cable, sub } = await subscribed();
  sub.unsubscribe();
  const w = witness();
  const next = cable.signedStream("s--1", { ...w, position: "p2" });
  assert.deepEqual(world.socket.take(), [
    { command: "unsubscribe", identifier: PUBSUB },
    { command: "subscribe", identifier: PUBSUB, position: "p2" },
  ]);
  world.socket.tell(data(PUBSUB, 9)); // sent to the first, before the server read the unsubscribe
  world.socket.tell(confirm(PUBSUB));
  world.socket.tell(data(PUBSUB, 8));
  world.socket.tell(data(PUBSUB, 9));
  assert.deepEqual(w.seen, ["confirmed", ["m8", 8], ["m9", 9]]);
  assert.equal(next.state, "confirmed");
});

test("an unanswered subscribe is answered before anything else is sent", async () => {
  const { world, cable } = await opened();
  const first = witness();
  cable.signedStream("s--1", { ...first, position: "p1" }).unsubscribe();
  assert.deepEqual(world.socket.take(), [{ command: "subscribe", identifier: PUBSUB, position: "p1" }]);
  const second = witness();
  cable.signedStream("s--1", { ...second, position: "p2" });
  assert.deepEqual(world.socket.take(), []);
  world.socket.tell(confirm(PUBSUB)); // the first's
  world.socket.tell(data(PUBSUB, 9));
  assert.deepEqual(world.socket.take(), [
    { command: "unsubscribe", identifier: PUBSUB },
    { command: "subscribe", identifier: PUBSUB, position: "p2" },
  ]);
  world.socket.tell(confirm(PUBSUB));
  world.socket.tell(data(PUBSUB, 8));
  assert.deepEqual(first.seen, []);
  assert.deepEqual(second.seen, ["confirmed", ["m8", 8]]);
});

test("an unanswered subscribe that nobody wants any more is ended by its answer", async () => {
  const { world, cable } = await opened();
  cable.subscribe("Room").unsubscribe();
  world.socket.take();
  world.socket.tell(confirm('{"channel":"Room"}'));
  assert.deepEqual(world.socket.take(), [{ command: "unsubscribe", identifier: '{"channel":"Room"}' }]);

  cable.subscribe("Other").unsubscribe();
  world.socket.take();
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  assert.deepEqual(world.socket.take(), []);
});

test("a rejection of an earlier use is not the later's", async () => {
  const { world, cable } = await opened();
  cable.subscribe("Room").unsubscribe();
  const w = witness();
  const sub = cable.subscribe("Room", w);
  world.socket.take();
  world.socket.tell({ type: "reject_subscription", identifier: sub.identifier });
  assert.deepEqual(world.socket.take(), [{ command: "subscribe", identifier: sub.identifier }]);
  world.socket.tell(confirm(sub.identifier));
  assert.deepEqual(w.seen, ["confirmed"]);
});

test("what was asked on an earlier connection gets no answer on this one", async () => {
  const { world, cable } = await opened();
  const sub = cable.subscribe("Room");
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  sub.unsubscribe();
  const next = cable.subscribe("Room");
  world.socket.tell(confirm(sub.identifier));
  world.socket.tell(confirm(sub.identifier));
  assert.equal(cable.state, "open");
  assert.equal(next.state, "confirmed");
});

test("a new use does not inherit the position of one that has left", async () => {
  for (const [message, extra] of [[data(PUBSUB, 5), {}], [{ type: "ping" }, {}], [{ type: "ping" }, { position: "p2" }]]) {
    const { world, cable, sub } = await subscribed();
    world.socket.tell(message);
    world.socket.cut();
    await world.advance(1_000);
    await world.welcome();
    sub.unsubscribe();
    cable.signedStream("s--1", extra);
    world.socket.take();
    world.socket.tell(confirm(PUBSUB));
    assert.deepEqual(world.socket.take(), [
      { command: "unsubscribe", identifier: PUBSUB },
      { command: "subscribe", identifier: PUBSUB, ...extra },
    ]);
  }
});

test("answers that could be anybody's end the connection", async () => {
  const { world, cable } = await opened();
  const sub = cable.subscribe("Room");
  for (let i = 0; i < 4; i++) {
    await world.advance(3_000);
    world.socket.tell({ type: "ping" });
  }
  assert.equal(world.socket.take().length, 2);
  sub.unsubscribe();
  cable.subscribe("Room");
  world.socket.tell(confirm(sub.identifier));
  assert.equal(cable.state, "waiting");
});

// Positions

test("comes back with the position of each stream, and again is said", async () => {
  const { world, w } = await subscribed({ position: "p1" });
  world.socket.tell(data(PUBSUB, 4));
  world.socket.tell(data(PUBSUB, 9, "f7", "room:2"));
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  assert.deepEqual(world.socket.take(), [{
    command: "subscribe", identifier: PUBSUB,
    history: { streams: { "room:1": { epoch: "e1", offset: 4 }, "room:2": { epoch: "f7", offset: 9 } } },
  }]);
  world.socket.tell(confirm(PUBSUB));
  assert.deepEqual(w.seen, [["m4", 4], ["m9", 9], "again"]);
});

test("each message once, whatever the server repeats; the position never moves back", async () => {
  const { world, w, sub } = await subscribed();
  for (const offset of [1, 2, 2, 1, 5, 3, 4, 5, 6]) world.socket.tell(data(PUBSUB, offset));
  assert.deepEqual(w.seen.map(([, offset]) => offset), [1, 2, 5, 6]);
  assert.deepEqual(sub.positions, { "room:1": { epoch: "e1", offset: 6 } });
});

test("streams of one subscription do not hide each other", async () => {
  const { world, w } = await subscribed();
  world.socket.tell(data(PUBSUB, 5));
  world.socket.tell(data(PUBSUB, 3, "e1", "room:2"));
  assert.deepEqual(w.seen, [["m5", 5], ["m3", 3]]);
});

test("the position of the rendering serves until a plain one is known", async () => {
  const { world, cable } = await opened();
  cable.signedStream("s--1", { position: "p1" });
  const first = world.socket.take();
  assert.deepEqual(first, [{ command: "subscribe", identifier: PUBSUB, position: "p1" }]);
  world.socket.tell(confirm(PUBSUB));
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  assert.deepEqual(world.socket.take(), first);
  world.socket.tell(confirm(PUBSUB));
  world.socket.tell(data(PUBSUB, 1));
  world.socket.cut();
  await world.advance(2_000);
  await world.welcome();
  const [again] = world.socket.take();
  assert.equal(again.position, undefined);
  assert.deepEqual(again.history, { streams: { "room:1": { epoch: "e1", offset: 1 } } });
});

test("a use with a later rendering gets the replay that the others do not need", async () => {
  const { world, cable, w } = await subscribed();
  world.socket.tell(data(PUBSUB, 5));
  const late = witness();
  const sub = cable.signedStream("s--1", { ...late, position: "p4" });
  const [command] = world.socket.take();
  assert.deepEqual(JSON.parse(command.identifier), { channel: "$pubsub", signed_stream_name: "s--1", copy: 2 });
  assert.equal(command.position, "p4");
  world.socket.tell(confirm(sub.identifier));
  world.socket.tell(data(sub.identifier, 5));
  assert.deepEqual(late.seen, ["confirmed", ["m5", 5]]);
  assert.deepEqual(w.seen, [["m5", 5]]);
});

test("a use that starts behind the others' position gets its own, also while there is no connection", async () => {
  const { world, cable, sub } = await subscribed({ position: "p1" });
  world.socket.tell(data(PUBSUB, 5));
  world.socket.cut();
  const uses = [
    cable.signedStream("s--1", { position: "p1" }),
    cable.signedStream("s--1", { after: { "room:1": { epoch: "e1", offset: 4 } } }),
    cable.signedStream("s--1"),
  ];
  assert.deepEqual(uses.map(({ identifier }) => JSON.parse(identifier).copy), [2, 3, undefined]);
  assert.equal(uses[2].identifier, sub.identifier);
});

test("uses of one rendering share, before anything has arrived", async () => {
  const { world, cable } = await opened();
  const a = cable.signedStream("s--1", { position: "p" });
  const b = cable.signedStream("s--1", { position: "p" });
  const c = cable.signedStream("s--1");
  assert.equal(world.socket.take().length, 1);
  assert.equal(a.identifier, b.identifier);
  assert.equal(a.identifier, c.identifier);
  assert.notEqual(cable.signedStream("s--1", { position: "q" }).identifier, a.identifier);
});

test("starts after plain positions", async () => {
  const { world, cable } = await opened();
  const after = { "room:1": { epoch: "e1", offset: 3 } };
  const w = witness();
  cable.signedStream("s--1", { ...w, position: "p1", after });
  assert.deepEqual(world.socket.take(), [{ command: "subscribe", identifier: PUBSUB, history: { streams: after } }]);
  world.socket.tell(confirm(PUBSUB));
  world.socket.tell(data(PUBSUB, 3));
  world.socket.tell(data(PUBSUB, 4));
  assert.deepEqual(w.seen, ["confirmed", ["m4", 4]]);
});

test("a history that cannot be filled is a gap, and the old position is forgotten", async () => {
  const { world, w, sub } = await subscribed({ position: "p1" });
  world.socket.tell(data(PUBSUB, 50));
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  world.socket.tell(confirm(PUBSUB));
  world.socket.tell({ type: "reject_history", identifier: PUBSUB });
  world.socket.tell(data(PUBSUB, 2, "e2"));
  assert.deepEqual(w.seen, [["m50", 50], "again", "gap", ["m2", 2]]);
  assert.deepEqual(sub.positions, { "room:1": { epoch: "e2", offset: 2 } });
});

test("after a gap neither the rendering's position nor the old one is asked for", async () => {
  const { world, cable } = await opened();
  const w = witness();
  cable.signedStream("s--1", { ...w, position: "p1" });
  world.socket.tell(confirm(PUBSUB));
  world.socket.tell({ type: "reject_history", identifier: PUBSUB });
  world.socket.take();
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  const [command] = world.socket.take();
  assert.equal(command.position, undefined);
  assert.deepEqual(Object.keys(command.history), ["since"]);
  assert.deepEqual(w.seen, ["confirmed", "gap"]);
});

test("an epoch that changes without a word is a gap", async () => {
  const { world, w } = await subscribed();
  for (const [offset, epoch] of [[50, "e1"], [3, "e2"], [3, "e2"], [4, "e2"]]) {
    world.socket.tell(data(PUBSUB, offset, epoch));
  }
  assert.deepEqual(w.seen, [["m50", 50], "gap", ["m3", 3], ["m4", 4]]);
});

test("positions that the server tells are taken, forwards only", async () => {
  const { world, cable } = await opened();
  const at = (offset) => ({ "room:1": { epoch: "e1", offset } });
  const sub = cable.signedStream("s--1");
  world.socket.tell(confirm(PUBSUB, { streams: at(7) }));
  assert.deepEqual(sub.positions, at(7), "where the live messages start");
  world.socket.tell({ type: "confirm_history", identifier: PUBSUB, streams: at(9) });
  assert.deepEqual(sub.positions, at(9));
  world.socket.tell({ type: "confirm_history", identifier: PUBSUB, streams: at(8) });
  assert.deepEqual(sub.positions, at(9));
  world.socket.tell({ type: "reject_history", identifier: PUBSUB, streams: at(2) });
  assert.deepEqual(sub.positions, at(2));
});

test("a position in the confirmation does not hide the replay", async () => {
  const { world, cable } = await opened();
  const w = witness();
  cable.signedStream("s--1", { ...w, position: "p1" });
  world.socket.tell(confirm(PUBSUB, { streams: { "room:1": { epoch: "e1", offset: 9 } } }));
  world.socket.tell(data(PUBSUB, 8));
  assert.deepEqual(w.seen, ["confirmed", ["m8", 8]]);
});

test("a subscription that has heard nothing comes back with the server's time", async () => {
  const { world, cable } = await opened();
  cable.signedStream("s--1");
  assert.deepEqual(world.socket.take(), [{ command: "subscribe", identifier: PUBSUB }]);
  const server = 2_000_000_000; // another century than ours
  world.socket.tell({ type: "ping", message: server });
  world.socket.tell(confirm(PUBSUB));
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  const [command] = world.socket.take();
  assert.deepEqual(command.history, { since: server - 1 });
  world.socket.tell(confirm(PUBSUB));
  for (let t = 3; t <= 30; t += 3) {
    await world.advance(3_000);
    world.socket.tell({ type: "ping", message: server + t });
  }
  world.socket.cut();
  await world.advance(2_000);
  await world.welcome();
  assert.deepEqual(world.socket.take()[0].history, { since: server + 30 - 6 }, "five seconds and one");
});

// Sending and presence

test("sends only when confirmed, and says whether", async () => {
  const { world, cable } = start();
  const sub = cable.subscribe("Room");
  const identifier = sub.identifier;
  assert.equal(sub.send({ a: 1 }), false);
  await world.welcome();
  assert.equal(sub.perform("speak"), false);
  world.socket.tell(confirm(identifier));
  world.socket.take();
  assert.equal(sub.send({ a: 1 }), true);
  assert.equal(sub.perform("speak", { text: "hi" }), true);
  assert.equal(sub.whisper({ typing: true }), true);
  const sent = world.socket.take();
  assert.deepEqual(sent.map((c) => c.identifier), [identifier, identifier, identifier]);
  assert.deepEqual(sent.map((c) => c.command), ["message", "message", "whisper"]);
  assert.deepEqual(sent.slice(0, 2).map((c) => JSON.parse(c.data)), [{ a: 1 }, { text: "hi", action: "speak" }]);
  assert.deepEqual(sent[2].data, { typing: true });
  for (const empty of ["", 0, false, null, undefined]) {
    assert.throws(() => sub.send(empty), TypeError);
    assert.throws(() => sub.whisper(empty), TypeError);
  }
  assert.deepEqual(world.socket.take(), []);
  world.socket.readyState = 2;
  assert.equal(sub.send({}), false);
  world.socket.readyState = 1;
  sub.unsubscribe();
  assert.equal(sub.send({}), false);
});

test("joins after the confirmation and after every reconnect, until it leaves", async () => {
  const { world, cable } = start();
  const sub = cable.subscribe("Room");
  const identifier = sub.identifier;
  const join = { command: "join", identifier, presence: { info: { name: "Ada" } } };
  sub.join({ name: "Ada" });
  await world.welcome();
  assert.deepEqual(world.socket.take().map((c) => c.command), ["subscribe"]);
  world.socket.tell(confirm(identifier));
  assert.deepEqual(world.socket.take(), [join]);
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  world.socket.take();
  world.socket.tell(confirm(identifier));
  assert.deepEqual(world.socket.take(), [join]);
  sub.leave();
  sub.leave();
  assert.deepEqual(world.socket.take(), [{ command: "leave", identifier }]);
  world.socket.cut();
  await world.advance(2_000);
  await world.welcome();
  world.socket.take();
  world.socket.tell(confirm(identifier));
  assert.deepEqual(world.socket.take(), []);
});

test("one use that leaves does not take the others along", async () => {
  const { world, cable } = await opened();
  const a = cable.subscribe("Room");
  const b = cable.subscribe("Room");
  world.socket.tell(confirm(a.identifier));
  a.join({ n: 1 });
  b.join({ n: 2 });
  world.socket.take();
  b.unsubscribe();
  assert.deepEqual(world.socket.take(), [{ command: "join", identifier: a.identifier, presence: { info: { n: 1 } } }]);
});

test("who: asked when confirmed, answered with records, repeated after a cut", async () => {
  const { world, cable } = start();
  const w = witness();
  const sub = cable.subscribe("Room", w);
  const identifier = sub.identifier;
  const question = { command: "presence", identifier, data: { return_records: true } };
  const answer = sub.who();
  await world.welcome();
  world.socket.take();
  world.socket.tell(confirm(identifier));
  assert.deepEqual(world.socket.take(), [question]);
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  world.socket.tell(confirm(identifier));
  assert.deepEqual(world.socket.take().at(-1), question);
  const message = { type: "info", total: 1, records: [{ id: "7", info: {} }] };
  world.socket.tell({ type: "presence", identifier, message: { type: "info", total: 5 } });
  world.socket.tell({ type: "presence", identifier, message });
  assert.deepEqual(await answer, { total: 1, records: [{ id: "7", info: {} }] });
  world.socket.tell({ type: "presence", identifier, message: { type: "join", id: "8" } });
  assert.deepEqual(w.seen, ["confirmed", "again", "info", "info", "join"]);
});

test("who: refused, unanswered, unsubscribed", async () => {
  const { world, cable } = await opened();
  const sub = cable.subscribe("Room");
  world.socket.tell(confirm(sub.identifier));
  const refused = sub.who();
  world.socket.tell({ type: "presence", identifier: sub.identifier, message: { type: "error" } });
  await assert.rejects(refused, /refused/);
  const silent = assert.rejects(sub.who(), /no answer/);
  await world.advance(10_000);
  await silent;
  const gone = assert.rejects(sub.who(), /unsubscribed/);
  sub.unsubscribe();
  await gone;
  await assert.rejects(sub.who(), /unsubscribed/);
});

// Iterating and failing

test("iterates over messages, ends with the subscription", async () => {
  const { world, sub } = await subscribed();
  const all = [];
  const loop = (async () => {
    for await (const { message, offset } of sub) all.push([message, offset]);
  })();
  world.socket.tell(data(PUBSUB, 1));
  world.socket.tell(data(PUBSUB, 2));
  await settle();
  world.socket.tell(data(PUBSUB, 3));
  sub.unsubscribe();
  await loop;
  assert.deepEqual(all, [["m1", 1], ["m2", 2], ["m3", 3]]);
  for await (const _ of sub) assert.fail("over");
});

test("iterating throws on a gap, and when the reader is too slow", async () => {
  const { world, sub } = await subscribed();
  const first = sub[Symbol.asyncIterator]().next();
  world.socket.tell({ type: "reject_history", identifier: PUBSUB });
  await assert.rejects(first, /gap/);

  const slow = sub[Symbol.asyncIterator]();
  const next = slow.next();
  for (let offset = 1; offset <= 2_000; offset++) world.socket.tell(data(PUBSUB, offset));
  assert.equal((await next).value.offset, 1);
  await assert.rejects(async () => {
    for (let n = 2; ; n++) assert.equal((await slow.next()).value.offset, n);
  }, /too slow/);
});

test("a handler that throws is reported and stops nothing", async (t) => {
  const errors = [];
  t.mock.method(console, "error", (error) => errors.push(error.message));
  const { world, cable, w } = await subscribed({ received: () => { throw new Error("mine"); } });
  const other = witness();
  cable.signedStream("s--1", other);
  world.socket.tell(data(PUBSUB, 1));
  assert.deepEqual(errors, ["mine"]);
  assert.deepEqual(other.seen, [["m1", 1]]);
  assert.deepEqual(w.seen, []);
});

test("handlers may subscribe and unsubscribe", async () => {
  const { world, cable, sub } = await subscribed();
  const other = cable.signedStream("s--1", () => { sub.unsubscribe(); other.unsubscribe(); cable.stream("x"); });
  world.socket.tell(data(PUBSUB, 1));
  assert.deepEqual(world.socket.take().map((c) => c.command), ["unsubscribe", "subscribe"]);
});

test("a function is the received handler", async () => {
  const { world, cable } = await opened();
  const seen = [];
  const sub = cable.stream("news", (message) => seen.push(message));
  world.socket.tell(confirm(sub.identifier));
  world.socket.tell({ identifier: sub.identifier, message: "x" });
  assert.deepEqual(seen, ["x"]);
});
