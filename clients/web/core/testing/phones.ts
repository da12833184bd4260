// One phone with as many tabs as a test wants, over either kind of disk.

import { expect } from "vitest";
import type { Canary, CanaryNote, Reading } from "../facts";
import { factId, genesis, link } from "../journal";
import type { Pocket } from "../pocket";
import { Replica, type Surroundings } from "../replica";
import { readLine } from "../wire";
import { PhoneKeys } from "./keys";
import type { Disk } from "./pockets";

export const NOON = 1_795_312_800_000;

export function reading(second = 0): Reading {
  return { wall: NOON + second * 1000, mono: second * 1000, boot: "b1" };
}

/** What localStorage is to a browser: outside of the store, and not restored with it. */
export class Note implements Canary {
  noted: CanaryNote | null = null;

  read(): CanaryNote | null {
    return this.noted;
  }

  write(note: CanaryNote | null): void {
    this.noted = note;
  }
}

let made = 0;

export function around(pocket: Pocket, more: Partial<Surroundings> = {}): Surroundings {
  return { pocket, signer: new PhoneKeys("key-a"), newId: () => `id-${String(++made).padStart(6, "0")}`, ...more };
}

export async function enrolled(disk: Disk, more: Partial<Surroundings> = {}): Promise<Replica> {
  return Replica.enrol(around(await disk.open(), more), { device: "a", member: "m", app: "1.0", reading: reading() });
}

/** Another tab, or the same one after it was killed. */
export async function tab(disk: Disk, more: Partial<Surroundings> = {}): Promise<Replica> {
  const found = await Replica.open(around(await disk.open(), more), reading());
  if (found.state !== "ready") throw new Error(`The store is ${found.state}.`);
  return found.replica;
}

/** Claims that the chain holds, the state says where it ends, and every photo has a line and its bytes; how many lines. */
export async function whole(pocket: Pocket): Promise<number> {
  const { state } = (await pocket.held())!;
  for (const own of state.journals) {
    let head = await genesis(own.id);
    const lines = await pocket.lines(own.id, 0, Infinity);
    expect(lines.map(({ n }) => n)).toEqual(lines.map((_, index) => index + 1));
    for (const line of lines) {
      head = await link(head, line.raw);
      expect([line.fact, readLine(line.raw)["n"]]).toEqual([factId(head), line.n]);
    }
    expect([own.n, own.head]).toEqual([lines.length, factId(head)]);
    expect(lines[0]!.kind).toBe("opening");
  }
  for (const each of await pocket.photos()) {
    expect((await pocket.lines(each.journal, each.n, each.n))[0]?.kind).toBe("photo");
    expect((await pocket.bytes(each.sha256))?.byteLength).toBe(each.size);
  }
  return state.journals.reduce((sum, own) => sum + own.n, 0);
}
