// Pages and hubs of different versions: ../testdata/golden.json has what a hub of revision e5316bf said.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Cable } from "./cable.js";
import { World, settle } from "./fake_browser.mjs";

const ROOM = '{"channel":"$pubsub","stream_name":"room:1"}';
const STREAM = "room:1~6a2bb07484";

async function subscribed() {
  const world = new World();
  const cable = new Cable(undefined, { env: world.env });
  const seen = [];
  cable.stream("room:1", {
    received: (message, { stream, offset, fleeting }) => seen.push([message, fleeting ? "fleeting" : `${stream} ${offset}`]),
    presence: (event) => seen.push([event.type, event.id ?? event.total]),
    confirmed: () => seen.push("confirmed"),
    rejected: () => seen.push("rejected"),
    gap: () => seen.push("gap"),
  });
  await settle();
  world.socket.accept();
  return { world, cable, seen };
}

/** What the hub said on the n-th connection. */
function said(n) {
  const { cable } = JSON.parse(readFileSync(new URL("../testdata/golden.json", import.meta.url), "utf8"));
  const starts = cable.flatMap((step, i) => (step.startsWith("connect ") ? [i] : []));
  const steps = cable.slice(starts[n], starts[n + 1]);
  return steps.filter((step) => step.startsWith("got ")).map((step) => JSON.parse(step.slice("got ".length)));
}

test("what a hub of revision e5316bf says is understood", async () => {
  const { world, seen } = await subscribed();
  for (const frame of said(0)) world.socket.tell(frame);
  assert.deepEqual(seen, [
    "confirmed",
    [{ n: 1 }, `${STREAM} 1`], [{ n: 2 }, `${STREAM} 2`], [{ n: "fleeting" }, "fleeting"],
    ["info", 0], ["join", "alice"], ["info", 1], ["leave", "alice"],
    [{ n: 3 }, `${STREAM} 3`],
  ]);
  world.socket.take();
  world.socket.cut();
  await world.advance(1_000);
  await world.welcome();
  const history = { streams: { [STREAM]: { epoch: "EPOCH", offset: 3 } } };
  assert.deepEqual(world.socket.take(), [{ command: "subscribe", identifier: ROOM, history }]);
});

test("a gap that it tells is one", async () => {
  const { world, seen } = await subscribed();
  for (const frame of said(2)) world.socket.tell(frame);
  assert.deepEqual(seen, ["confirmed", "gap"]);
});

test("what a later hub adds is not taken for anything", async () => {
  const { world, cable, seen } = await subscribed();
  const later = { later: { x: 1 } };
  for (const frame of said(0).slice(0, 3)) {
    world.socket.tell({ type: "later", message: "for all", ...later });
    world.socket.tell({ type: "later", identifier: ROOM, message: { n: 7 }, stream_id: STREAM, epoch: "EPOCH", offset: 7 });
    world.socket.tell({ ...frame, ...later });
  }
  assert.deepEqual(seen, ["confirmed", [{ n: 1 }, `${STREAM} 1`]]);
  assert.equal(cable.state, "open");
});
