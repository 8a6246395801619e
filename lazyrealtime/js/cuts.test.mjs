// The line is cut at every frame, pages come and go, and of each message every subscriber gets one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cable, PublishError } from "./cable.js";
import { Server, seeded } from "./fake_server.mjs";
import { World, settle } from "./fake_browser.mjs";

const STREAMS = ["a", "b", "c"];

/** A part of a page that shows a stream: rendered at a position, and then fed by the subscription. */
class Reader {
  received = []; // ids, and "gap"
  closed = false;

  constructor(sim, stream, position = sim.server.position(stream)) {
    this.stream = stream;
    this.start = JSON.parse(position);
    this.subscription = sim.cable.signedStream(stream, {
      position,
      received: (id) => this.received.push(id),
      gap: () => this.received.push("gap"),
    });
  }

  close() {
    this.closed = true;
    this.subscription.unsubscribe();
  }

  /** What it should have, as far as it had the time: all, unless it was closed before. */
  judge(published, report) {
    const want = published[this.stream].filter(({ offset }) => offset > this.start.offset).map(({ id }) => id);
    const got = this.received;
    const seen = new Set();
    let last = 0;
    for (const id of got) {
      if (id === "gap") report.gaps++;
      else if (seen.has(id)) report.doubled++;
      else if (id < last) report.reordered++;
      else last = id;
      seen.add(id);
    }
    const due = this.closed ? want.filter((id) => id <= last) : want;
    report.lost += due.filter((id) => !seen.has(id)).length;
    report.early += got.filter((id) => id !== "gap" && !want.includes(id)).length;
    report.received += got.length;
  }
}

/** A part of a page that publishes, and what it was told. */
class Writer {
  promised = []; // the offset of the n-th, or the error; undefined: no answer yet

  constructor(sim, stream, name) {
    this.sim = sim;
    this.stream = stream;
    this.name = name;
    this.subscription = sim.cable.signedStream(stream);
  }

  /** Publishes the next one, unless so many wait already. */
  publish(most) {
    if (this.promised.filter((offset) => offset === undefined).length === most) return;
    const n = this.promised.push(undefined) - 1;
    this.subscription.publish({ writer: this.name, n }).then(
      ({ offset }) => (this.promised[n] = offset),
      (error) => (this.promised[n] = error),
    );
  }

  judge(log, report) {
    const mine = log.messages.filter(({ data }) => data?.writer === this.name);
    const offsets = new Map();
    let last = -1;
    for (const { data: { n }, offset } of mine) {
      if (offsets.has(n)) report.doubled++;
      else if (n < last && !this.failed(n)) report.reordered++;
      offsets.set(n, offset);
      if (!this.failed(n)) last = Math.max(last, n);
    }
    for (const [n, offset] of this.promised.entries()) {
      if (this.failed(n)) this.#refused(offset, offsets.has(n), report);
      else if (offset !== offsets.get(n) || offset === undefined) report.lost++;
    }
    report.published += mine.length;
  }

  /** Whether the promise was broken: the message is nowhere then, or, if that was uncertain, anywhere. */
  failed(n) {
    return this.promised[n] instanceof PublishError;
  }

  #refused({ reason, uncertain }, stored, report) {
    if (reason !== "denied" || (stored && !uncertain)) report.lost++;
    report.refused++;
    report.uncertain += stored;
  }
}

class Simulation {
  readers = [];
  writers = [];
  forsaken = []; // connections that the client has given up, and the server not yet
  published = Object.fromEntries(STREAMS.map((stream) => [stream, []]));
  cuts = 0;

  constructor(seed) {
    this.random = seeded(seed);
    this.world = new World({ random: this.random });
    this.server = new Server(this.world, this.random);
    // This server forgets no name, and reads what was given up minutes ago.
    const quick = { backoffBase: 100, backoffCap: 1_000, restartWindow: 200, repeatWindow: Infinity };
    this.cable = new Cable("/cable", { env: this.world.env, ...quick });
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  get connections() {
    const { connections } = this.server;
    for (const connection of connections) {
      if (!connection.gone) continue;
      connections.delete(connection);
      this.forsaken.push(connection);
    }
    return [...connections];
  }

  /** The server reads what a client has sent before it gave a connection up. */
  haunt() {
    const connection = this.pick(this.forsaken);
    connection?.step("read");
  }

  publish(stream = this.pick(STREAMS)) {
    this.server.publish(stream);
    this.note();
  }

  /** Notes what has come into the logs. */
  note() {
    for (const stream of STREAMS) {
      const { messages } = this.server.log(stream);
      const last = this.published[stream].at(-1)?.offset ?? 0;
      this.published[stream].push(...messages.slice(messages.findLastIndex(({ offset }) => offset <= last) + 1));
    }
  }

  cut(code) {
    for (const connection of this.connections) {
      this.cuts++;
      connection.cut(code);
    }
  }

  /** One random thing happens. */
  async step() {
    this.note();
    if (this.writers.length > 0 && this.random() < 0.1) this.pick(this.writers).publish(12);
    if (this.forsaken.length > 0 && this.random() < 0.1) this.haunt();
    const dice = this.random();
    const connection = this.pick(this.connections);
    if (dice < 0.2) return this.publish();
    if (!connection) return this.pass(this.random() * 200);
    if (dice < 0.94) return connection?.step(this.pick(["deliver", "deliver", "deliver", "read", "fanout", "fanout"]));
    if (dice < 0.96) this.cut(this.pick([1006, 1001]));
    else if (dice < 0.961) connection?.restart();
    else if (dice < 0.97) this.page();
    else if (dice < 0.971) await this.away();
    else await this.pass(this.random() * 800);
    await settle();
  }

  async pass(time) {
    for (const connection of this.connections) connection.ping();
    await this.world.advance(time);
  }

  /** The page leaves and comes back, or the network does. */
  async away() {
    const [leave, come] = this.pick([["pagehide", "pageshow"], ["offline", "online"], ["resume", "visibilitychange"]]);
    await this.world.happen(leave);
    for (let n = 0; n < 5; n++) this.publish();
    await this.pass(this.random() * 10_000);
    await this.world.happen(come);
  }

  /** A part of the page appears, or goes, or is rendered again. */
  page() {
    const open = this.readers.filter((reader) => !reader.closed);
    const dice = this.random();
    if (dice < 0.3 && open.length < 8) this.readers.push(new Reader(this, this.pick(STREAMS)));
    else if (dice < 0.4 && open.length > 3) this.pick(open).close();
    else this.visit(this.pick(open));
  }

  /** The server renders, more is published, then the new part takes the place of the old one. */
  visit(old) {
    if (!old) return;
    const position = this.server.position(old.stream);
    for (let n = Math.floor(this.random() * 4); n > 0; n--) this.publish(old.stream);
    if (this.random() < 0.5) old.close();
    this.readers.push(new Reader(this, old.stream, position));
    old.close();
  }

  /** Until everything has arrived. */
  async drain() {
    await this.world.happen("pageshow");
    for (let quiet = 0, rounds = 0; quiet < 3; rounds++) {
      await this.world.happen("online");
      await this.world.advance(1_000);
      for (const connection of this.connections) connection.ping();
      let steps = 0;
      while (this.connections.some((connection) => connection.busy) && steps++ < 100_000) {
        for (const connection of this.connections) for (const kind of ["read", "fanout", "deliver"]) connection.step(kind);
      }
      const waiting = rounds < 200 && this.writers.some(({ promised }) => promised.includes(undefined));
      quiet = this.cable.state === "open" && steps < 50 && !waiting ? quiet + 1 : 0;
    }
    this.note();
  }

  report() {
    const report = { received: 0, lost: 0, doubled: 0, reordered: 0, early: 0, gaps: 0 };
    for (const reader of this.readers) reader.judge(this.published, report);
    return report;
  }
}

const none = { lost: 0, doubled: 0, reordered: 0, early: 0 };

for (const seed of [1, 2, 3, 4]) {
  test(`nothing lost, doubled or reordered through random cuts (seed ${seed})`, async (t) => {
    const sim = new Simulation(seed);
    sim.server.tells = seed % 2 === 0;
    for (const stream of STREAMS) sim.readers.push(new Reader(sim, stream));
    for (let n = 0; n < 20_000; n++) await sim.step();
    await sim.drain();
    const { received, gaps, ...wrong } = sim.report();
    t.diagnostic(`${received} received by ${sim.readers.length} readers, ${sim.cuts} cuts`);
    assert.deepEqual(wrong, none);
    assert.equal(gaps, 0);
    assert.ok(received > 2_000 && sim.cuts > 100, `${received} received, ${sim.cuts} cuts`);
  });
}

for (const seed of [1, 2, 3, 4]) {
  test(`what is published is stored once and in order, through cuts and outages (seed ${seed})`, async (t) => {
    const sim = new Simulation(seed);
    Object.assign(sim.server, { outage: 0.1, refusal: 0.05 });
    for (const [i, stream] of [...STREAMS, "a"].entries()) sim.writers.push(new Writer(sim, stream, i));
    for (const stream of STREAMS) sim.readers.push(new Reader(sim, stream));
    for (let n = 0; n < 20_000; n++) {
      await sim.step();
      for (const connection of sim.connections) for (const kind of ["read", "deliver", "deliver"]) connection.step(kind);
    }
    for (const connection of sim.forsaken) for (let n = 0; n < 20; n++) connection.step("read");
    sim.server.outage = 0;
    await sim.drain();
    const report = { published: 0, refused: 0, uncertain: 0, lost: 0, doubled: 0, reordered: 0 };
    for (const writer of sim.writers) writer.judge(sim.server.log(writer.stream), report);
    const { published, refused, uncertain, ...wrong } = report;
    t.diagnostic(`${published} published, ${refused} refused, of them ${uncertain} published all the same, ${sim.cuts} cuts`);
    assert.deepEqual(wrong, { lost: 0, doubled: 0, reordered: 0 });
    assert.ok(published > 1_500 && sim.cuts > 100 && refused > 50);
    const { received, gaps, ...unread } = sim.report();
    assert.deepEqual({ ...unread, gaps }, { ...none, gaps: 0 });
  });
}

test("a cut before and after every single frame", async () => {
  let frames = Infinity;
  let runs = 0;
  for (let at = 0; at < frames; at++, runs++) {
    const sim = new Simulation(7);
    sim.server.tells = at % 2 === 0;
    await settle();
    const old = new Reader(sim, "a");
    sim.readers.push(old);
    let steps = 0;
    for (let n = 0; n < 60; n++) {
      if (n % 3 === 0) sim.publish("a");
      if (n === 40) sim.visit(old);
      for (const kind of ["read", "fanout", "deliver"]) {
        if (steps++ === at) sim.cut(1006);
        for (const connection of sim.connections) connection.step(kind);
      }
      await sim.world.advance(50);
    }
    frames = steps;
    await sim.drain();
    const { received, gaps, ...wrong } = sim.report();
    assert.deepEqual({ ...wrong, gaps }, { ...none, gaps: 0 }, `cut at ${at}`);
    assert.ok(received > 10);
  }
  assert.ok(runs > 100, `${runs} runs`);
});

test("where retention has passed a position there is a gap, and only there something is missing", async () => {
  const sim = new Simulation(11);
  for (const stream of STREAMS) sim.readers.push(new Reader(sim, stream));
  for (let n = 0; n < 10_000; n++) {
    await sim.step();
    if (n % 10 === 0) for (const log of sim.server.logs.values()) log.retain(40);
  }
  await sim.drain();
  let gaps = 0;
  for (const { stream, received, start } of sim.readers) {
    const ids = sim.published[stream].filter(({ offset }) => offset > start.offset).map(({ id }) => id);
    let next = 0; // index of the id that must come next, unless a gap is said
    for (const [i, id] of received.entries()) {
      if (id === "gap") gaps++;
      else if (received[i - 1] === "gap") {
        assert.ok(ids.indexOf(id) >= next, "a gap leads forward");
        next = ids.indexOf(id) + 1;
      } else assert.equal(id, ids[next++]);
    }
  }
  assert.ok(gaps > 5, `${gaps} gaps`);
  assert.ok(sim.server.refused >= gaps, "no gap that the server did not cause");
});

test("without a position: everything from the first confirmation on, where the server tells positions", async () => {
  for (let seed = 20; seed < 60; seed++) {
    const sim = new Simulation(seed);
    const got = [];
    let from;
    const sub = sim.cable.signedStream("a", {
      received: (id) => got.push(id),
      confirmed: () => (from ??= sub.positions.a.offset),
      gap: () => got.push("gap"),
    });
    for (let n = 0; n < 300; n++) {
      if (sim.random() < 0.7) await sim.step(); // page() touches other readers only
      else sim.publish("a");
    }
    await sim.drain();
    assert.deepEqual(got, sim.published.a.filter(({ offset }) => offset > from).map(({ id }) => id), `seed ${seed}`);
  }
});
