// Several tabs of one phone live at once, in any order chance can make, over one store.

import { describe, expect, test } from "vitest";
import type { Exclusive, FactId } from "./facts";
import type { Replica } from "./replica";
import { enrolled, reading, tab, whole } from "./testing/phones";
import { type Disk, DISKS, touched } from "./testing/pockets";
import { SmallServer } from "./testing/server";

const TABS = 3;
const STEPS = 14;

/** A seeded draw from 0 (included) to 1, so that an unlucky order can be had again. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** What `navigator.locks` does for the tabs of one browser. */
function locks(): Exclusive {
  let turn: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };
}

/** The same store, each touch of it a little later than asked. */
function slowed(disk: Disk, draw: () => number): Disk {
  const wait = async (call: () => Promise<unknown>): Promise<unknown> => {
    for (let turns = Math.floor(draw() * 12); turns > 0; turns--) await Promise.resolve();
    if (draw() < 0.1) await new Promise((resolve) => setImmediate(resolve));
    return call();
  };
  // Inside a look nothing may be awaited but the store; so only the touches from outside are slowed.
  return { ...disk, open: async () => outermost(await disk.open(), wait) };
}

function outermost<P extends object>(pocket: P, wait: (call: () => Promise<unknown>) => Promise<unknown>): P {
  const slow = touched(pocket, wait);
  const look = (pocket as { look: (work: unknown) => Promise<unknown> }).look.bind(pocket);
  return new Proxy(slow, {
    get: (target, name) => (name === "look" ? (work: unknown) => wait(() => look(work)) : Reflect.get(target, name)),
  });
}

class Crowd {
  readonly saved: FactId[] = [];
  private readonly server = new SmallServer();

  constructor(private readonly draw: () => number) {}

  async live(replica: Replica): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const way = this.draw();
      if (way < 0.45) await this.note(replica);
      else if (way < 0.7) await this.talk(replica);
      else if (way < 0.75) await replica.beginJournal(reading(), "canary");
      else await this.look(replica);
    }
  }

  private async note(replica: Replica): Promise<void> {
    const text = String(this.saved.length);
    this.saved.push((await replica.record("note", reading(), { ticket: "t1", visit: "v1", body: { text } })).fact);
  }

  /** A conversation as the field has it: the request may be lost, the reply may be lost, or cut. */
  private async talk(replica: Replica): Promise<void> {
    const outgoing = await replica.request();
    const fate = this.draw();
    if (fate < 0.15) return replica.lost(outgoing);
    const reply = await this.server.exchange(outgoing.body);
    if (fate < 0.3) return replica.lost(outgoing);
    await replica.apply(fate < 0.45 ? reply.subarray(0, Math.floor(this.draw() * reply.length)) : reply, reading());
  }

  /** Whatever was saved before is shown, and once. */
  private async look(replica: Replica): Promise<void> {
    const before = [...this.saved];
    const shown = ((await replica.show("t1"))?.visits?.["v1"]?.notes ?? []).map(({ fact }) => fact);
    expect(new Set(shown).size).toBe(shown.length);
    expect(before.filter((fact) => !shown.includes(fact))).toEqual([]);
  }

  async comeToRest(replica: Replica): Promise<void> {
    for (let turn = 0; turn < 60; turn++) {
      const applied = await replica.apply(await this.server.exchange((await replica.request()).body), reading());
      if ((await replica.waiting()) === 0 && applied.complete && !applied.more) break;
    }
    expect([...this.server.notes].sort()).toEqual([...this.saved].sort());
    expect((await replica.queue()).filter(({ truth }) => truth !== "hq_has_it")).toEqual([]);
    expect((await replica.state()).notices).toEqual([]);
    await this.look(replica);
  }
}

const SEEDS = Array.from({ length: 12 }, (_, seed) => seed + 1);

describe.each(Object.entries(DISKS))("tabs over a store %s", (_, make) => {
  test.each(SEEDS)("keep every fact, in one chain, shown once (chance %i)", async (seed) => {
    const draw = chance(seed);
    const disk = make();
    // Half of them live in a browser without locks: then only the store itself keeps them apart.
    const together = seed % 2 === 0 ? { exclusive: locks() } : {};
    const first = await enrolled(slowed(disk, draw), together);
    const others = await Promise.all(Array.from({ length: TABS - 1 }, () => tab(slowed(disk, draw), together)));
    const crowd = new Crowd(draw);
    await crowd.comeToRest(first);
    await Promise.all([first, ...others].map((replica) => crowd.live(replica)));
    await whole(await disk.open());
    await crowd.comeToRest(first);
  });
});
