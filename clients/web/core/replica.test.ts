// What a phone promises beyond the golden vectors: nothing half-saved, several tabs, a full disk, a store that went backwards.

import { beforeEach, describe, expect, test } from "vitest";
import { fromUtf8, sha256Hex, utf8 } from "./bytes";
import type { Applied, Body } from "./facts";
import type { Attachment, Line, Pocket, Role } from "./pocket";
import { crewsOf, KEEP_MS, Replica } from "./replica";
import { PhoneKeys } from "./testing/keys";
import { around, enrolled, NOON, Note, reading, tab, whole } from "./testing/phones";
import { type Disk, DISKS, touched } from "./testing/pockets";
import { SmallServer } from "./testing/server";
import type { PhoneFault, TicketView } from "./types";
import { readLine } from "./wire";

const note = (text = "n"): { ticket: string; visit: string; body: Body } => ({ ticket: "t1", visit: "v1", body: { text } });

async function slug(work: Promise<unknown>): Promise<string> {
  return work.then(() => "nothing happened", (fault: PhoneFault) => fault.slug);
}

async function talk(replica: Replica, server: SmallServer): Promise<Applied> {
  return replica.apply(await server.exchange((await replica.request()).body), reading());
}

async function sync(replica: Replica, server: SmallServer): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    const applied = await talk(replica, server);
    if ((await replica.waiting()) === 0 && applied.complete && !applied.more && !applied.forked) return;
  }
  throw new Error("The phone did not come to rest.");
}

async function form(role: Role, fill: number, size = 1000, of?: string): Promise<Attachment> {
  const bytes = new Uint8Array(size).fill(fill).buffer;
  const sha256 = await sha256Hex(bytes);
  return { sha256, role, of: of ?? sha256, type: "image/jpeg", bytes };
}

async function photo(replica: Replica, fill = 1, size = 1000): Promise<void> {
  const original = await form("original", fill, size);
  const attach = [original, await form("preview", fill, 10, original.sha256), await form("copy", fill, 100, original.sha256)];
  const body = { sha256: original.sha256, size_bytes: size };
  await replica.record("photo", reading(), { ticket: "t1", visit: "v1", body, attach });
}

describe.each(Object.entries(DISKS))("a phone whose store is %s", (_, make) => {
  let disk: Disk;
  let replica: Replica;
  let pocket: Pocket;
  let server: SmallServer;

  beforeEach(async () => {
    disk = make();
    server = new SmallServer();
    replica = await enrolled(disk);
    pocket = replica.around.pocket;
  });

  // -------------------------------------------------------------------------------------------------------- beginning

  test("is fresh until it is enrolled, and enrolled once", async () => {
    expect(await Replica.open(around(await make().open()), reading())).toEqual({ state: "fresh" });
    expect(await slug(enrolled(disk))).toBe("not-saved");
    expect(await whole(pocket)).toBe(1);
  });

  test("has its settings from the moment it is enrolled", async () => {
    const other = await make().open();
    const who = { device: "a", member: "m", app: "1.0", reading: reading(), settings: { token: "t", address: "https://here" } };
    await Replica.enrol(around(other), who);
    expect(await other.settings(["token", "address"])).toEqual({ token: "t", address: "https://here" });
  });

  // -------------------------------------------------------------------------------------------------- nothing half-saved

  test("a fact that cannot be recorded leaves everything as it was", async () => {
    await sync(replica, server);
    const before = await pocket.held();
    expect(await slug(replica.record("note", reading(), note("长".repeat(2001))))).toBe("bad-value");
    const strange = { ticket: "new", body: { set: { colour: "red" } } };
    expect(await slug(replica.record("raised", reading(), strange))).toBe("bad-value");
    expect(await pocket.held()).toEqual(before);
    const { fact } = await replica.record("note", reading(), note());
    expect((await replica.line(fact))!["anchor"], "the statement was not used up by what was refused").toBeTypeOf("string");
  });

  test("a kill at any step loses no fact that was called saved and leaves no half of anything", async () => {
    for (let at = 2; at < 100; at++) {
      const disk = make();
      await enrolled(disk);
      const dying = new Dying(at >> 1, at % 2 === 0);
      const saved: string[] = [];
      const living = (async () => {
        const replica = await tab(dying.disk(disk));
        for (let index = 0; index < 2; index++) {
          saved.push((await replica.record("note", reading(), note(String(index)))).fact);
          await photo(replica, index);
          await talk(replica, new SmallServer());
        }
      })();
      await Promise.race([living, dying.dead]);
      const pocket = (await tab(disk)).around.pocket;
      await whole(pocket);
      for (const fact of saved) expect(await pocket.lineOf(fact)).not.toBe(null);
    }
  });

  test("two tabs that record at once both keep their facts, in one chain", async () => {
    const other = await tab(disk);
    const taps = Array.from({ length: 20 }, (_, index) => String(index));
    const tries = taps.map((text, index) => (index % 2 ? other : replica).record("note", reading(), note(text)));
    const facts = (await Promise.all(tries)).map(({ fact }) => fact);
    expect(new Set(facts).size).toBe(20);
    expect(await whole(pocket)).toBe(21);
    await sync(other, server);
    expect(new Set(server.notes)).toEqual(new Set(facts));
  });

  test("two tabs that begin a visit at once begin one", async () => {
    const other = await tab(disk);
    const open = (fresh: string) => (view: TicketView | null): string => Object.keys(view?.visits ?? {})[0] ?? fresh;
    const begun = await Promise.all([
      replica.record("acceptance", reading(), { ticket: "t1", visit: open("v1") }),
      other.record("departure", reading(), { ticket: "t1", visit: open("v2") }),
    ]);
    expect(new Set(begun.map(({ visit }) => visit)).size).toBe(1);
  });

  test("the answer to another tab's older question takes no word back", async () => {
    await sync(replica, server);
    const other = await tab(disk);
    const asked = await other.request();
    await replica.record("note", reading(), note());
    await sync(replica, server);
    const applied = await other.apply(await server.exchange(asked.body), reading());
    expect([applied.heard, applied.regressed, await replica.waiting()]).toEqual([true, false, 0]);
    expect((await replica.state()).notices).toEqual([]);
  });

  test("the reply to a bundle that somebody carried counts, and an old one takes no word back", async () => {
    const [first] = await replica.bundles();
    const reply = await server.exchange(first!.body);
    expect((await replica.apply(reply, reading())).stated).toBe(1);
    await replica.record("note", reading(), note());
    await sync(replica, server);
    const applied = await replica.apply(await server.exchange(first!.body), reading());
    expect([applied.heard, applied.regressed, await replica.waiting()]).toEqual([true, false, 0]);
  });

  // ------------------------------------------------------------------------------------------------------------ photos

  test("a photo's forms are durable together with the fact that names them, and are sent smallest first", async () => {
    await photo(replica, 1);
    await photo(replica, 2);
    await photo(replica, 1);
    await whole(pocket);
    expect((await pocket.photos()).length).toBe(6);
    expect(await replica.uploads(), "the server does not know their facts yet").toEqual([]);
    await sync(replica, server);
    expect((await replica.uploads()).map(({ role, n }) => [role, n])).toEqual([
      ["preview", 2], ["preview", 3], ["copy", 2], ["copy", 3], ["original", 2], ["original", 3],
    ]);
    const [first, second] = await replica.uploads();
    await pocket.setPhotoProblem(first!.sha256, "bad-hash");
    await pocket.setReceived(second!.sha256, NOON);
    expect((await replica.uploads()).map(({ role, n }) => [role, n])).toEqual([
      ["copy", 2], ["copy", 3], ["original", 2], ["original", 3], ["preview", 2],
    ]);
  });

  test("photos leave the phone a week after they were received, and only when their fact is in a backup", async () => {
    await photo(replica);
    await sync(replica, server);
    for (const each of await pocket.photos()) await pocket.setReceived(each.sha256, NOON);
    expect((await replica.prune(NOON + KEEP_MS)).photos, "no backup holds their fact").toBe(0);
    server.durable = 2;
    await sync(replica, server);
    expect((await replica.prune(NOON + KEEP_MS - 1)).photos).toBe(0);
    expect(await replica.prune(NOON + KEEP_MS)).toEqual({ lines: 1, photos: 3 });
  });

  // ---------------------------------------------------------------------------------------------------------- a full disk

  test("on a full disk facts are still saved, and photos are refused as a whole", async () => {
    await disk.leave(0);
    expect(await slug(photo(replica, 1, 200_000))).toBe("storage-full");
    expect([await whole(pocket), await pocket.photos()]).toEqual([1, []]);
    for (let index = 0; index < 30; index++) await replica.record("note", reading(), note(String(index)));
    expect(await whole(pocket)).toBe(31);
    await disk.leave(0);
    expect(await slug(replica.record("note", reading(), note("not even a byte is left")))).toBe("storage-full");
    expect(await whole(pocket)).toBe(31);
  });

  test("a photo never takes the room that was given up for facts", async () => {
    await disk.leave(0);
    await replica.record("note", reading(), note("this one made the ballast give way"));
    expect(await slug(photo(replica, 1, 20_000))).toBe("storage-full");
    expect([await whole(pocket), await pocket.photos()]).toEqual([2, []]);
  });

  test("a page that does not fit changes nothing, but the server's word on the journal counts", async () => {
    await replica.record("note", reading(), note());
    const reply = fromUtf8(await server.exchange((await replica.request()).body));
    const large = reply.replace('"state":"dispatched"', `"state":"dispatched","remarks":"${"长".repeat(60_000)}"`);
    await disk.leave(0);
    expect(await slug(replica.apply(utf8(large), reading()))).toBe("storage-full");
    expect([await replica.waiting(), await pocket.rows(), (await replica.state()).cursor]).toEqual([0, [], {}]);
  });

  test("the ballast is taken back when there is room again", async () => {
    await disk.leave(0);
    await replica.record("note", reading(), note());
    expect(await pocket.releaseBallast()).toBe(false);
    await disk.leave(Infinity);
    await sync(replica, server);
    expect(await pocket.releaseBallast()).toBe(true);
  });

  // ------------------------------------------------------------------------------------------------- a store that went back

  test("an empty store beside a canary says what is lost", async () => {
    const canary = new Note();
    const replica = await enrolled(make(), { canary });
    await replica.record("note", reading(), note());
    await sync(replica, server);
    await replica.record("note", reading(), note());
    const opened = await Replica.open(around(await make().open(), { canary }), reading());
    expect(opened).toMatchObject({ state: "wiped", device: "a", n: 3, stated: 2 });
  });

  test("a store older than its canary goes on in a new journal, and nothing is numbered twice", async () => {
    const canary = new Note();
    const disk = make();
    const replica = await enrolled(disk, { canary });
    const copy = await disk.copy();
    const first = await replica.record("note", reading(), note("first life"));
    await sync(replica, server);
    await disk.restore(copy);
    const again = await tab(disk, { canary });
    const state = await again.state();
    expect([state.journals.length, state.notices]).toEqual([2, [{ slug: "restored" }]]);
    const second = await again.record("note", reading(), note("second life"));
    await sync(again, server);
    expect(server.notes).toEqual([first.fact, second.fact]);
    expect((await (await tab(disk, { canary })).state()).journals.length, "it is noticed once").toBe(2);
  });

  test("a store whose journals the canary does not know of, and one as old but shorter, are noticed too", async () => {
    const canary = new Note();
    const disk = make();
    const replica = await enrolled(disk, { canary });
    const copy = await disk.copy();
    await replica.beginJournal(reading(), "canary");
    await disk.restore(copy);
    expect((await (await tab(disk, { canary })).state()).notices).toEqual([{ slug: "restored" }]);
  });

  test("a canary that lags or is gone raises no alarm", async () => {
    for (const noted of [{ device: "a", journal: "", n: 1, stated: 0 }, null]) {
      const canary = new Note();
      const disk = make();
      const replica = await enrolled(disk, { canary });
      await replica.record("note", reading(), note());
      canary.noted = noted && { ...noted, journal: canary.noted!.journal };
      expect((await (await tab(disk, { canary })).state()).notices).toEqual([]);
      expect(canary.noted!.n).toBe(2);
    }
  });

  // ------------------------------------------------------------------------------------------------------------- showing

  test("showing a ticket reads only what the confirmed copy does not speak for", async () => {
    const counting = new Counting();
    const disk = make();
    const replica = await enrolled(counting.disk(disk));
    for (let index = 0; index < 120; index++) await replica.record("note", reading(), note());
    await sync(replica, server);
    await replica.record("note", reading(), note("the only one that is newer"));
    counting.lines = 0;
    expect((await replica.tickets()).map((view) => view.visits!["v1"]!.notes!.length)).toEqual([121]);
    await replica.show("t1");
    expect(counting.lines).toBe(2);
  });

  test("what waits for a person is counted, and says why", async () => {
    const { fact } = await replica.record("note", reading(), note());
    await sync(replica, server);
    const put = { outcome: "contested", slug: "field" };
    const place = { at: 1, incarnation: "k1", scopes: { d: 1 }, doubtful: [], gone: null, gone_to: {} };
    const row = { kind: "outcome", id: fact, put, ...place };
    const { revision, state } = (await pocket.held())!;
    await pocket.commit({ seen: revision, state, rows: [row, { ...row, id: "somebody else's" }] });
    expect(await replica.needsYou()).toBe(1);
    expect((await replica.queue({ ticket: "t1" })).map(({ truth, why }) => [truth, why])).toEqual([["needs_you", "field"]]);
    expect(await replica.truths("t1")).toEqual(new Map([[fact, "needs_you"]]));
    expect((await replica.outcomes()).length).toBe(2);
  });

  test("a tab is told of every durable change it makes", async () => {
    let told = 0;
    const replica = await tab(disk, { committed: () => { told += 1; } });
    await replica.record("note", reading(), note());
    await slug(replica.record("note", reading(), note("长".repeat(2001))));
    expect(told).toBe(1);
  });

  test("a notice stays until it is dismissed", async () => {
    await replica.beginJournal(reading(), "canary");
    const { revision, state } = (await pocket.held())!;
    await pocket.commit({ seen: revision, state: { ...state, notices: [{ slug: "fork" }, { slug: "restored" }] } });
    await replica.dismissNotice(0);
    expect((await replica.state()).notices).toEqual([{ slug: "restored" }]);
  });

  // ------------------------------------------------------------------------------------------------- other roads, the end

  test("the smallest request tells the head and asks for no page", async () => {
    await sync(replica, server);
    await replica.record("note", reading(), note());
    const told = await replica.tellHead();
    const envelope = readLine(told.body.subarray(0, -1));
    expect([told.lines, envelope["n"], envelope["cursor"], envelope["waiting"]]).toEqual([0, 2, {}, 1]);
    expect(envelope["checkpoint"]).toBe(await new PhoneKeys("key-a").checkpoint(told.journal, 2, envelope["head"] as string));
  });

  test("bundles carry every line that is not stated, of every journal, and state nothing", async () => {
    await sync(replica, server);
    for (let index = 0; index < 3; index++) await replica.record("note", reading(), note(String(index)));
    await replica.beginJournal(reading(), "canary");
    await replica.record("note", reading(), note("in the new journal"));
    const bundles = await replica.bundles();
    expect(bundles.map(({ first, last }) => [first, last])).toEqual([[1, 4], [1, 2]]);
    expect(await replica.waiting()).toBe(6);
    for (const bundle of [...bundles, ...bundles]) await server.exchange(bundle.body);
    expect(server.notes.length).toBe(4);
    await sync(replica, server);
    expect(server.notes.length).toBe(4);
  });

  test("a phone is forgotten only when nothing is only here, or what is here was exported", async () => {
    const canary = new Note();
    const other = await tab(disk, { canary });
    expect(await slug(other.forget())).toBe("unsent");
    await sync(other, server);
    await photo(other);
    await sync(other, server);
    expect(await slug(other.forget()), "a photo's bytes are only here").toBe("unsent");
    const written = await other.written();
    await replica.record("note", reading(), note("by the other tab, after the export"));
    expect(await slug(other.forget({ written }))).toBe("unsent");
    await other.forget({ written: await other.written() });
    expect([await pocket.held(), canary.noted]).toEqual([null, null]);
    expect(await slug(replica.record("note", reading(), note()))).toBe("not-saved");
  });
});

test("the crews of a phone are those whose feed it follows", () => {
  expect(crewsOf({ k1: { "crew:A": 1, "member:m": 2, "crew:B": 0 } })).toEqual(new Set(["A", "B"]));
});

/** A browser that is killed at the `at`-th touch of the store: before it happens, or `after` it and before anybody heard. */
class Dying {
  readonly dead: Promise<void>;
  private die!: () => void;

  constructor(private at: number, private readonly after: boolean) {
    this.dead = new Promise((resolve) => { this.die = resolve; });
  }

  disk(disk: Disk): Disk {
    return { ...disk, open: async () => touched(await disk.open(), (call) => this.touch(call)) };
  }

  private async touch(call: () => Promise<unknown>): Promise<unknown> {
    this.at -= 1;
    const result = this.at > 0 || this.after ? await call() : undefined;
    if (this.at > 0) return result;
    this.die();
    return new Promise(() => {});
  }
}

/** Counts the lines that are read from the store. */
class Counting {
  lines = 0;

  disk(disk: Disk): Disk {
    return { ...disk, open: async () => touched(await disk.open(), (call, name) => this.count(call, name)) };
  }

  private async count(call: () => Promise<unknown>, name: string): Promise<unknown> {
    const result = await call();
    if (name === "lines" || name === "linesOf") this.lines += (result as Line[]).length;
    return result;
  }
}
