// What a page publishes is answered, once and in order, whatever happens to the connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cable, PublishError } from "./cable.js";
import { World, settle } from "./fake_browser.mjs";

const PUBSUB = '{"channel":"$pubsub","signed_stream_name":"s--1"}';

/** A subscription; confirmed, unless that is left to the test. Names of what is published are r1, r2... */
async function start({ confirmed = true, ...options } = {}, worldOptions = {}) {
  const world = new World(worldOptions);
  let names = 0;
  const env = { ...world.env, nonce: () => `r${++names}` };
  const cable = new Cable("/cable", { env, ...options });
  const sub = cable.signedStream("s--1");
  await world.welcome();
  const all = { world, cable, sub };
  if (confirmed) confirm(all);
  return all;
}

function confirm({ world }) {
  world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
  world.socket.take();
}

/** The line breaks, and all is well again. */
async function reconnect(all, code) {
  all.world.socket.cut(code);
  await all.world.advance(4_000);
  await all.world.welcome();
  all.world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
}

/** What was sent since the last call: the names, with what they stand behind. */
const sent = ({ world }) => world.socket.take().filter(({ command }) => command === "message")
  .map(({ request, behind }) => (behind ? `${request}<${behind}` : request));

const reply = ({ world }, request, status, more) =>
  world.socket.tell({ type: "reply", identifier: PUBSUB, request, status, ...more });
const ok = (all, n) => reply(all, `r${n}`, "ok", { stream_id: "s", epoch: "e1", offset: 10 * n });
const unavailable = (all, n, reason) => reply(all, `r${n}`, "unavailable", { reason });

/** What becomes of promises: their values, why they were rejected, or null as long as they wait. */
function outcomes(promises) {
  const list = promises.map(() => null);
  promises.forEach((promise, i) => promise.then(
    (value) => (list[i] = value ?? "undefined"),
    (error) => (list[i] = error instanceof PublishError ? `${error.reason}${error.uncertain ? "?" : ""}` : error),
  ));
  return list;
}

const publish = ({ sub }, count) => outcomes(Array.from({ length: count }, (_, i) => sub.publish({ n: i + 1 })));

test("publishes once confirmed, and resolves to the position", async () => {
  const all = await start({ confirmed: false });
  const list = publish(all, 2);
  assert.deepEqual(sent(all), []);
  all.world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
  const commands = all.world.socket.take();
  assert.deepEqual(commands, [
    { command: "message", identifier: PUBSUB, data: '{"n":1}', request: "r1" },
    { command: "message", identifier: PUBSUB, data: '{"n":2}', request: "r2", behind: "r1" },
  ]);
  ok(all, 1);
  reply(all, "r2", "ok"); // as channels of the application answer
  await settle();
  assert.deepEqual(list, [{ epoch: "e1", offset: 10 }, "undefined"]);
  publish(all, 1);
  assert.deepEqual(sent(all), ["r3"], "behind nothing that is unanswered");
});

test("eight are under way, each behind the one before", async () => {
  const all = await start();
  const list = publish(all, 11);
  assert.deepEqual(sent(all), ["r1", "r2<r1", "r3<r2", "r4<r3", "r5<r4", "r6<r5", "r7<r6", "r8<r7"]);
  ok(all, 1);
  assert.deepEqual(sent(all), ["r9<r8"]);
  for (let n = 2; n <= 9; n++) ok(all, n);
  assert.deepEqual(sent(all), ["r10<r9", "r11<r10"]);
  await settle();
  assert.deepEqual(list.slice(8), [{ epoch: "e1", offset: 90 }, null, null]);
});

test("what has no answer is sent again after a cut, under its name and in its order", async () => {
  const all = await start();
  const list = publish(all, 10);
  ok(all, 1);
  ok(all, 2);
  sent(all);
  await reconnect(all);
  assert.deepEqual(sent(all), ["r3", "r4<r3", "r5<r4", "r6<r5", "r7<r6", "r8<r7", "r9<r8", "r10<r9"]);
  ok(all, 3);
  await reconnect(all, 1001);
  assert.deepEqual(sent(all)[0], "r4");
  for (let n = 4; n <= 10; n++) ok(all, n);
  await settle();
  assert.deepEqual(list.map(({ offset }) => offset), [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
});

test("an answer of an earlier connection, or to nobody, counts for nothing", async () => {
  const all = await start();
  const list = publish(all, 1);
  all.world.socket.cut();
  await all.world.advance(1_000);
  await all.world.welcome();
  ok(all, 1);
  all.world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
  ok(all, 7);
  await settle();
  assert.deepEqual(list, [null]);
  assert.deepEqual(sent(all), ["r1"]);
});

test("unavailable: all come back, then the oldest begins anew, later each time", async () => {
  const all = await start();
  const list = publish(all, 9);
  sent(all);
  unavailable(all, 1, "outage");
  for (let n = 2; n <= 8; n++) {
    await all.world.advance(1_000);
    assert.deepEqual(sent(all), [], "nothing overtakes");
    unavailable(all, n, "behind");
  }
  await all.world.advance(499);
  assert.deepEqual(sent(all), []);
  publish(all, 1); // does not disturb
  assert.deepEqual(sent(all), []);
  await all.world.advance(1); // half of a second, as random says
  assert.deepEqual(sent(all), ["r1", "r2<r1", "r3<r2", "r4<r3", "r5<r4", "r6<r5", "r7<r6", "r8<r7"]);
  unavailable(all, 1, "rate_limited");
  for (let n = 2; n <= 8; n++) unavailable(all, n, "behind");
  await all.world.advance(999);
  assert.deepEqual(sent(all), []);
  await all.world.advance(1);
  assert.equal(sent(all).length, 8);
  ok(all, 1);
  unavailable(all, 2, "outage");
  assert.deepEqual(sent(all), ["r9<r8"]); // sent before the second answer
  for (let n = 3; n <= 9; n++) unavailable(all, n, "behind");
  await all.world.advance(500);
  assert.deepEqual(sent(all)[0], "r2");
  await settle();
  assert.deepEqual(list.slice(0, 2), [{ epoch: "e1", offset: 10 }, null]);
});

test("the wait does not grow for ever, and a cut does not shorten it", async () => {
  const all = await start({ backoffCap: 2_000 });
  publish(all, 1);
  for (const wait of [500, 1_000, 1_000, 1_000]) {
    unavailable(all, 1, "outage");
    sent(all);
    await all.world.advance(wait - 1);
    assert.deepEqual(sent(all), []);
    await all.world.advance(1);
    assert.deepEqual(sent(all), ["r1"]);
  }
  unavailable(all, 1, "outage");
  await reconnect(all); // which takes the time
  assert.deepEqual(sent(all), ["r1"]);
});

test("a cut while the others come back", async () => {
  const all = await start();
  publish(all, 3);
  unavailable(all, 1, "outage");
  await reconnect(all);
  assert.deepEqual(sent(all), ["r1", "r2<r1", "r3<r2"]);
});

test("refused is final, and says whether an earlier try may have done it", async () => {
  const all = await start();
  const list = publish(all, 4);
  reply(all, "r1", "refused", { reason: "denied" });
  await reconnect(all);
  reply(all, "r2", "refused", { reason: "denied" });
  unavailable(all, 3, "outage");
  unavailable(all, 4, "behind");
  await all.world.advance(500);
  reply(all, "r3", "refused", { reason: "too_large" });
  reply(all, "r4", "refused", { reason: "failed" });
  const more = publish(all, 2);
  unavailable(all, 5, "rate_limited");
  unavailable(all, 6, "behind");
  await all.world.advance(500);
  reply(all, "r5", "refused", { reason: "invalid" });
  reply(all, "r6", "refused", { reason: "invalid" });
  await settle();
  assert.deepEqual([...list, ...more], ["denied", "denied?", "too_large?", "failed?", "invalid", "invalid"]);
  const refused = all.sub.publish(1, { signal: undefined });
  reply(all, "r7", "refused", { reason: "denied" });
  const error = await refused.catch((error) => error);
  assert.ok(error instanceof Error);
  assert.equal(`${error}`, "PublishError: cable: not published: denied");
  assert.equal(`${new PublishError("closed", true)}`, "PublishError: cable: perhaps not published: closed");
});

test("refused: those behind it come back, and go again at once", async () => {
  const all = await start();
  const list = publish(all, 4);
  sent(all);
  reply(all, "r1", "refused", { reason: "denied" });
  unavailable(all, 2, "behind");
  unavailable(all, 3, "behind");
  assert.deepEqual(sent(all), []);
  unavailable(all, 4, "behind");
  assert.deepEqual(sent(all), ["r2", "r3<r2", "r4<r3"]);
  unavailable(all, 2, "outage");
  unavailable(all, 3, "behind");
  unavailable(all, 4, "behind");
  assert.deepEqual(sent(all), []);
  await all.world.advance(500);
  assert.deepEqual(sent(all), ["r2", "r3<r2", "r4<r3"]);
  reply(all, "r2", "refused", { reason: "denied" });
  await reconnect(all);
  assert.deepEqual(sent(all), ["r3", "r4<r3"]);
  await settle();
  assert.deepEqual(list, ["denied", "denied?", null, null]);
});

test("ends with its subscription, and with the cable", async () => {
  const all = await start({ confirmed: false });
  const rejected = publish(all, 2);
  all.world.socket.tell({ type: "reject_subscription", identifier: PUBSUB });
  await settle();
  assert.deepEqual(rejected, ["rejected", "rejected"]);
  await assert.rejects(all.sub.publish(1), { reason: "rejected", uncertain: false });

  const other = await start();
  const left = publish(other, 9);
  other.sub.unsubscribe();
  await settle();
  assert.deepEqual(left, [...Array(8).fill("unsubscribed?"), "unsubscribed"]);
  await assert.rejects(other.sub.publish(1), { reason: "unsubscribed" });

  const byServer = ({ world }) => world.socket.tell({ type: "disconnect", reason: "remote", reconnect: false });
  for (const end of [({ cable }) => cable.close(), byServer]) {
    const third = await start();
    const closed = publish(third, 9);
    unavailable(third, 1, "outage");
    for (let n = 2; n <= 8; n++) unavailable(third, n, "behind"); // a pause begins
    end(third);
    await settle();
    assert.deepEqual(closed, ["closed?", ...Array(8).fill("closed")]);
    assert.equal(third.world.timers, 0);
    await assert.rejects(third.sub.publish(1), { reason: "closed", uncertain: false });
    third.cable.open();
    await third.world.welcome();
    const again = publish(third, 1);
    third.world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
    const [name] = sent(third);
    reply(third, name, "ok");
    await settle();
    assert.deepEqual(again, ["undefined"]);
  }
});

test("a thousand wait, and no more", async () => {
  const all = await start();
  all.world.socket.cut();
  const list = publish(all, 1_001);
  await settle();
  assert.deepEqual(list.slice(999), [null, "too_many"]);
  await reconnect(all);
  assert.equal(sent(all).length, 8);
  ok(all, 1);
  const one = publish(all, 1);
  await settle();
  assert.deepEqual(one, [null], "there is room again");
});

test("a signal ends the waiting; what is under way keeps its place until its answer", async () => {
  const all = await start();
  const stop = [new AbortController(), new AbortController(), new AbortController()];
  await assert.rejects(all.sub.publish(0.5, { signal: AbortSignal.abort(new Error("before")) }), /before/);
  assert.deepEqual(sent(all), []);
  const first = outcomes([all.sub.publish(1, { signal: stop[0].signal }), all.sub.publish(2)]);
  stop[0].abort("now");
  publish(all, 7);
  const under = sent(all);
  assert.deepEqual([under.length, under[1]], [8, "r2<r1"], "eight with it");
  const waiting = outcomes([all.sub.publish(10, { signal: stop[1].signal })]);
  stop[1].abort("too");
  await settle();
  assert.deepEqual([...first, ...waiting], ["now", null, "too"]);
  unavailable(all, 1, "outage");
  for (let n = 2; n <= 8; n++) unavailable(all, n, "behind");
  await all.world.advance(500);
  assert.deepEqual(sent(all)[0], "r2", "it is not repeated");
  const cut = outcomes([all.sub.publish(11, { signal: stop[2].signal })]);
  ok(all, 2);
  ok(all, 3);
  assert.deepEqual(sent(all), ["r11<r9"]);
  stop[2].abort("under way");
  await reconnect(all);
  assert.equal(sent(all).includes("r11<r9"), false);
  await settle();
  assert.deepEqual([...first, ...cut], ["now", { epoch: "e1", offset: 20 }, "under way"]);
});

test("a signal that comes after the answer changes nothing, and is let go of", async () => {
  const all = await start();
  const stop = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  stop.signal.addEventListener = (...args) => (listeners++, addEventListener.apply(stop.signal, args));
  stop.signal.removeEventListener = (...args) => (listeners--, removeEventListener.apply(stop.signal, args));
  const list = outcomes([all.sub.publish(1, { signal: stop.signal })]);
  assert.equal(listeners, 1);
  ok(all, 1);
  stop.abort();
  await settle();
  assert.deepEqual(list, [{ epoch: "e1", offset: 10 }]);
  assert.equal(listeners, 0);
});

test("what the server may have forgotten is not sent again", async () => {
  const all = await start({ backoffBase: 60_000, backoffCap: 60_000 });
  const list = publish(all, 9);
  all.world.socket.cut();
  await all.world.advance(30_000);
  await all.world.welcome();
  all.world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
  assert.deepEqual(sent(all)[0], "r1", "after 30 s it is");
  all.world.socket.cut();
  all.world.sleep(60_001, ["wall"]); // asleep: one of the clocks knows
  await all.world.advance(1_000);
  await all.world.welcome();
  all.world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
  await settle();
  assert.deepEqual(list.slice(0, 8), Array(8).fill("unanswered?"));
  assert.deepEqual(sent(all), ["r9"], "what was never sent is");
});

test("what the server did nothing with may wait for as long as it takes", async () => {
  const all = await start({ repeatWindow: 3_000 });
  const list = publish(all, 2);
  for (let n = 0; n < 10; n++) {
    unavailable(all, 1, "rate_limited");
    unavailable(all, 2, "behind");
    await all.world.advance(30_000);
    await all.world.happen("online");
    all.world.socket.tell({ type: "ping" });
  }
  all.world.socket.take();
  await settle();
  assert.deepEqual(list, [null, null]);
});

test("too big for the server: the largest is, the others are sent again", async () => {
  const all = await start();
  const list = outcomes([all.sub.publish("small"), all.sub.publish("x".repeat(150)), all.sub.publish("ü".repeat(100))]);
  await reconnect(all, 1009);
  assert.deepEqual(list, [null, null, "too_large"], "in bytes");
  assert.deepEqual(sent(all), ["r1", "r2<r1"]);
  all.sub.whisper("x".repeat(1_000));
  await reconnect(all, 1009);
  assert.deepEqual(sent(all), ["r1", "r2<r1"], "it was the whisper");
  ok(all, 1);
  ok(all, 2);
  const more = outcomes([all.sub.publish("y")]);
  await reconnect(all, 1009);
  assert.deepEqual(more, [null], "it was something that had been answered: something else");
});

test("uses of one subscription have one order; who leaves takes his own along", async () => {
  const all = await start();
  const other = all.cable.signedStream("s--1");
  const mine = outcomes([all.sub.publish(1), all.sub.publish(2)]);
  const theirs = outcomes([other.publish(3)]);
  assert.deepEqual(sent(all), ["r1", "r2<r1", "r3<r2"]);
  all.sub.unsubscribe();
  await settle();
  assert.deepEqual([...mine, ...theirs], ["unsubscribed?", "unsubscribed?", null]);
  unavailable(all, 1, "outage");
  unavailable(all, 2, "behind");
  unavailable(all, 3, "behind");
  await all.world.advance(500);
  assert.deepEqual(sent(all), ["r3"]);
});

test("takes what it is given as it is then, and only what can be sent", async () => {
  const all = await start();
  const data = { n: 1 };
  outcomes([all.sub.publish(data)]);
  all.world.socket.cut();
  data.n = 2;
  await all.world.advance(1_000);
  await all.world.welcome();
  all.world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
  assert.equal(all.world.socket.take().at(-1).data, '{"n":1}');
  for (const wrong of ["", 0, false, null, undefined, () => 1, Symbol("s")]) {
    await assert.rejects(all.sub.publish(wrong), TypeError);
  }
  assert.deepEqual(sent(all), []);
});

test("names are 128 random bits", async () => {
  const world = new World();
  const sub = new Cable("/cable", { env: world.env }).signedStream("s--1");
  await world.welcome();
  world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
  publish({ sub }, 8);
  const names = world.socket.take().filter(({ request }) => request).map(({ request }) => request);
  assert.equal(new Set(names).size, 8);
  for (const name of names) assert.match(name, /^[0-9a-f]{32}$/);
});

test("a page in the back-forward cache goes on with it when it is back", async () => {
  const all = await start();
  const list = publish(all, 1);
  sent(all);
  await all.world.happen("pagehide");
  publish(all, 1);
  await all.world.happen("pageshow");
  await all.world.advance(0);
  await all.world.welcome();
  all.world.socket.tell({ type: "confirm_subscription", identifier: PUBSUB });
  assert.deepEqual(sent(all), ["r1", "r2<r1"]);
  ok(all, 1);
  await settle();
  assert.deepEqual(list, [{ epoch: "e1", offset: 10 }]);
});
