// A replica lives the lives of the golden vectors: each request equal to the byte, each state afterwards equal as a value.

import { describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "./bytes";
import type { Applied, Body, Cursor, JournalState, Outgoing, Problem, Reading, Row } from "./facts";
import type { Line, Pocket } from "./pocket";
import { Replica, type ReplicaState } from "./replica";
import { PhoneKeys } from "./testing/keys";
import { type Disk, DISKS } from "./testing/pockets";
import { vectors } from "./testing/vectors";
import { readLine } from "./wire";

interface Step {
  do: string; new_ids: string[]; after: Body; reading: Reading; kind: string; ticket: string; visit: string | null;
  body: string; fact: string; asking: { limit_bytes: number; now_wall: number }; reply: string; problem: Problem;
  applied: Body; name: string; why: string;
  now_wall: number; dropped: number; shown: unknown; journal: string; first: number; last: number; lines: number;
  device: string; member: string; app: string;
}
interface LifeCase { name: string; key: string; steps: Step[] }

const LIVES = vectors<LifeCase>("lives");

class Life {
  private replica!: Replica;
  private pocket!: Pocket;
  private outgoing: Outgoing | null = null;
  private readonly ids: string[] = [];
  private readonly copies = new Map<string, unknown>();
  private expected: Body = {};

  constructor(private readonly disk: Disk, private readonly key: string) {}

  async live(step: Step): Promise<void> {
    this.ids.push(...step.new_ids);
    await this.act(step);
    this.expected = { ...this.expected, ...step.after };
    expect(await this.held()).toEqual(this.expected);
    expect(this.ids).toEqual([]);
  }

  private async act(step: Step): Promise<void> {
    switch (step.do) {
      case "enrol": return this.enrol(step);
      case "record": {
        const { kind, reading, ticket, visit } = step;
        const { fact } = await this.replica.record(kind, reading, { ticket, visit, body: JSON.parse(step.body) as Body });
        return expect(fact).toBe(step.fact);
      }
      case "request": {
        this.outgoing = await this.replica.request(step.asking);
        const said = { ...this.outgoing, body: fromUtf8(this.outgoing.body) };
        return expect(said).toEqual(pick(step, ["body", "journal", "first", "last", "lines"]));
      }
      case "apply": return this.compare(await this.replica.apply(utf8(step.reply), step.reading), step);
      case "refused": return this.compare(await this.replica.refused(step.problem, step.reading), step);
      case "lost": return this.replica.lost(this.outgoing!);
      case "begin_journal": return this.replica.beginJournal(step.reading, step.why);
      case "prune": return expect((await this.replica.prune(step.now_wall)).lines).toBe(step.dropped);
      case "copy": return void this.copies.set(step.name, await this.disk.copy());
      case "restore": {
        await this.disk.restore(this.copies.get(step.name));
        return this.restart(step.reading);
      }
      case "restart": return this.restart(step.reading);
      case "look": return expect(await this.replica.show(step.ticket)).toEqual(step.shown);
      default: throw new Error(`Nobody taught this test to ${step.do}.`);
    }
  }

  private around(): { pocket: Pocket; signer: PhoneKeys; newId: () => string } {
    return { pocket: this.pocket, signer: new PhoneKeys(this.key), newId: () => this.ids.shift()! };
  }

  private async enrol({ device, member, app, reading }: Step): Promise<void> {
    this.pocket = await this.disk.open();
    this.replica = await Replica.enrol(this.around(), { device, member, app, reading });
  }

  private async restart(reading: Reading): Promise<void> {
    const opened = await Replica.open(this.around(), reading);
    if (opened.state !== "ready") throw new Error(`It is ${opened.state}.`);
    this.replica = opened.replica;
  }

  private compare(applied: Applied, step: Step): void {
    const { heard: _, ...told } = applied;
    expect(told).toEqual(step.applied);
  }

  private async held(): Promise<Body> {
    const { replica, pocket } = this;
    const rows = (await pocket.rows()).map((row) => ({ ...row, put: Object.keys(row.put).sort() }));
    return {
      ...(await replica.state()),
      rows,
      words: (await replica.queue()).map(({ journal, n, kind, truth }) => [journal, n, kind, truth]),
      waiting: await replica.waiting(),
      shown: (await replica.tickets()).map((view) => [view.id, view.state ?? null, view.gone ?? null]),
    };
  }
}

function pick(value: object, names: string[]): Body {
  return Object.fromEntries(names.map((name) => [name, (value as Body)[name]]));
}

function freshState(journals: Partial<JournalState>[], cursor: Cursor, member: string): ReplicaState {
  const own = { durable: 0, stated_at: 0, unsure: 0, forked: false, dropped: 0, stated: 0 };
  const heard = { anchor: null, anchor_used: true, heard_at: 0, incarnation: "", ledger: 0, notices: [], raised: [] };
  const all = journals.map((each) => ({ ...own, ...each }) as JournalState);
  return { device: "a", member, app: "1.0", cursor, journals: all, ...heard };
}

async function opened(pocket: Pocket): Promise<Replica> {
  const around = { pocket, signer: new PhoneKeys("key-a"), newId: () => "new" };
  const found = await Replica.open(around, { wall: 0, mono: 0, boot: "b" });
  if (found.state !== "ready") throw new Error("There is no phone.");
  return found.replica;
}

describe.each(Object.entries(DISKS))("%s", (_, disk) => {
  test.each(LIVES)("a life: $name", async ({ key, steps }) => {
    const life = new Life(disk(), key);
    for (const step of steps) await life.live(step);
  });

  type Replied = { name: string; reply: string; before: Kept; after: Kept };
  type Kept = { journals: Partial<JournalState>[]; rows: Row[]; cursor: Cursor };

  test.each(vectors<Replied>("replies"))("a reply: $name", async ({ reply, before, after }) => {
    const pocket = await disk().open();
    await pocket.commit({ seen: 0, state: freshState(before.journals, before.cursor, "m-a"), rows: before.rows });
    const replica = await opened(pocket);
    await replica.apply(utf8(reply), { wall: 1, mono: 1, boot: "b" });
    const state = await replica.state();
    expect(state.journals.map((own) => pick(own, ["id", "n", "head", "stated"]))).toEqual(after.journals);
    expect([state.cursor, await pocket.rows()]).toEqual([after.cursor, after.rows]);
  });

  type Written = { n: number; fact: string; line: string };
  type Shown = { member: string; journal: string; row: Row; lines: Written[]; shown: unknown };

  test.each(vectors<Shown>("shown").map((each) => [each.lines.at(-1)!.line.match(/"kind":"(\w+)"/)![1], each] as const))(
    "what is shown after %s", async (_, { member, journal, row, lines, shown }) => {
      const pocket = await disk().open();
      const own = { id: journal, n: lines.length, head: lines.at(-1)!.fact };
      const kept = lines.map(({ n, fact, line }): Line => {
        const { kind, ticket = null, visit = null, wall } = readLine(utf8(line)) as unknown as Line;
        return { journal, n, fact, kind, ticket, visit, wall, raw: utf8(line) };
      });
      await pocket.commit({ seen: 0, state: freshState([own], {}, member), rows: [row], lines: kept });
      expect(await (await opened(pocket)).show(row.id)).toEqual(shown);
    });
});

test("the words of truth are those of truth.json after each step", () => {
  const life = LIVES.find((each) => each.name === "the words of truth")!;
  let [words, waiting]: [unknown[][], unknown] = [[], 0];
  const told = vectors<{ words?: { n: number; truth: string }[]; waiting: number; lines?: number }>("truth");
  expect(life.steps.length).toBe(told.length);
  told.forEach((expected, index) => {
    const step = life.steps[index]!;
    words = (step.after["words"] as unknown[][]) ?? words;
    waiting = step.after["waiting"] ?? waiting;
    if (expected.words === undefined) return expect(step.lines).toBe(expected.lines);
    expect(words.map(([, n, , truth]) => ({ n, truth }))).toEqual(expected.words);
    expect(waiting).toBe(expected.waiting);
  });
});
