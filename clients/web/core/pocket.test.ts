// The contract of a phone's storage, kept by both pockets.

import { beforeEach, describe, expect, test } from "vitest";
import { utf8 } from "./bytes";
import type { ReplicaState, Row } from "./facts";
import { type Change, type Line, Overtaken, type PhotoForm, type Pocket } from "./pocket";
import { type Disk, DISKS } from "./testing/pockets";
import type { PhoneFault } from "./types";

const STATE: ReplicaState = {
  device: "a", member: "m", app: "1", journals: [], cursor: {}, anchor: null, anchor_used: true, heard_at: 0, incarnation: "",
  ledger: 0, notices: [], raised: [],
};

function line(n: number, ticket: string | null = "t1", journal = "j1"): Line {
  const raw = utf8(`{"n":${n},"文":"到"}`);
  return { journal, n, fact: `fact-${journal}-${n}`, kind: "note", ticket, visit: null, wall: n, raw };
}

function row(id: string, members: Partial<Row> = {}): Row {
  return {
    kind: "ticket", id, at: 1, incarnation: "k1", put: { state: "dispatched" }, scopes: { "crew:A": 1 }, doubtful: [],
    gone: null, gone_to: {}, ...members,
  };
}

function photo(sha256: string, members: Partial<PhotoForm> = {}): { form: PhotoForm; bytes: ArrayBuffer } {
  const form: PhotoForm = {
    sha256, role: "original", of: sha256, type: "image/jpeg", size: 4, ticket: "t1", journal: "j1", n: 1, upload: null, sent: 0,
    received: null, problem: null, ...members,
  };
  return { form, bytes: new Uint8Array([1, 2, 3, 4]).buffer };
}

const change = (seen: number, members: Partial<Change> = {}): Change => ({ seen, state: STATE, ...members });
const ids = (rows: Row[]): string[] => rows.map(({ id }) => id);

async function slug(work: Promise<unknown>): Promise<string> {
  return work.then(() => "nothing happened", (fault: PhoneFault) => fault.slug);
}

describe.each(Object.entries(DISKS))("a store %s", (_, make) => {
  let disk: Disk;
  let pocket: Pocket;

  beforeEach(async () => {
    disk = make();
    pocket = await disk.open();
  });

  const whole = async (reader: Pocket): Promise<unknown> => [
    await reader.held(), await reader.lines("j1", 0, 99), await reader.rows(), await reader.photos(), await reader.bytes("p1"),
    await reader.settings(["a", "b"]),
  ];

  test("is empty before the first commit", async () => {
    expect(await whole(pocket)).toEqual([null, [], [], [], null, {}]);
  });

  test("holds everything of a commit, for every connection", async () => {
    await pocket.commit(change(0, { lines: [line(1)], rows: [row("t1")], photos: [photo("p1")], settings: { a: 1 } }));
    const seen = [{ revision: 1, state: STATE }, [line(1)], [row("t1")], [photo("p1").form], photo("p1").bytes, { a: 1 }];
    expect(await whole(await disk.open())).toEqual(seen);
  });

  test("holds nothing of a commit that could not be written as a whole", async () => {
    await pocket.commit(change(0, { lines: [line(1)], settings: { a: 1 } }));
    const before = await whole(pocket);
    const twice = { lines: [line(2), line(1)], rows: [row("t1")], photos: [photo("p1")], settings: { a: 2, b: 3 } };
    expect(await slug(pocket.commit(change(1, twice)))).toBe("not-saved");
    expect(await whole(pocket)).toEqual(before);
  });

  test("lets one of two win who read the same revision, and the other writes nothing", async () => {
    const other = await disk.open();
    await pocket.commit(change(0));
    const tries = await Promise.allSettled([
      pocket.commit(change(1, { lines: [line(1)] })), other.commit(change(1, { lines: [line(2)], photos: [photo("p1")] })),
    ]);
    expect(tries.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect((tries[1] as PromiseRejectedResult).reason).toBeInstanceOf(Overtaken);
    expect((await pocket.lines("j1", 0, 99)).map(({ n }) => n)).toEqual([1]);
    expect(await pocket.photos()).toEqual([]);
  });

  test("shows one moment to whoever looks, however much is written meanwhile", async () => {
    await pocket.commit(change(0, { rows: [row("t1")] }));
    const other = await disk.open();
    const looking = pocket.look(async (reader) => {
      const first = (await reader.held())!.revision;
      const rows = [...ids(await reader.rows()), ...ids(await reader.rows())];
      return [first, ...rows, (await reader.held())!.revision];
    });
    const writing = other.commit(change(1, { rows: [row("t2")] }));
    expect(await looking).toEqual([1, "t1", "t1", 1]);
    await writing;
    expect(ids(await pocket.rows())).toEqual(["t1", "t2"]);
  });

  test("hands out copies, and keeps copies", async () => {
    const given = row("t1");
    await pocket.commit(change(0, { rows: [given] }));
    given.put["state"] = "changed by whoever wrote";
    (await pocket.row(["ticket", "t1"]))!.put["state"] = "changed by whoever read";
    expect((await pocket.row(["ticket", "t1"]))!.put["state"]).toBe("dispatched");
  });

  test("finds lines by place, by ticket and by fact", async () => {
    const lines = [line(1, null), line(2), line(3, "t2"), line(10), line(1, "t1", "j2")];
    await pocket.commit(change(0, { lines }));
    expect((await pocket.lines("j1", 2, 10)).map(({ n }) => n)).toEqual([2, 3, 10]);
    expect(await pocket.lines("j1", 5, 4)).toEqual([]);
    expect(await pocket.linesOf("t1", "j1", 1, 99)).toEqual([line(2), line(10)]);
    expect(await pocket.linesOf("t1", "j1", 3, 99)).toEqual([line(10)]);
    expect(await pocket.lineOf("fact-j2-1")).toEqual(line(1, "t1", "j2"));
    expect(await pocket.lineOf("nobody's")).toBe(null);
  });

  test("drops lines of one journal only", async () => {
    await pocket.commit(change(0, { lines: [line(1), line(2), line(3), line(1, "t1", "j2")] }));
    await pocket.commit(change(1, { dropLines: [{ journal: "j1", last: 2 }] }));
    const left = [...await pocket.lines("j1", 0, 9), ...await pocket.lines("j2", 0, 9)];
    expect(left.map(({ journal, n }) => [journal, n])).toEqual([["j1", 3], ["j2", 1]]);
  });

  test("finds rows by kind, scope, doubt and having lost their last scope, also after they change", async () => {
    const twice = row("t2", { scopes: { "crew:A": 1, "crew:B": 2 } });
    const rows = [row("t1"), twice, row("t3", { scopes: {} }), row("t4", { doubtful: ["crew:A"] })];
    await pocket.commit(change(0, { rows: [...rows, row("o1", { kind: "outcome" })] }));
    const found = async (): Promise<string[][]> => {
      const lists = [pocket.rows("ticket"), pocket.rowsIn("crew:B"), pocket.looseRows(), pocket.doubtfulRows()];
      return (await Promise.all(lists)).map(ids);
    };
    expect(await found()).toEqual([["t1", "t2", "t3", "t4"], ["t2"], ["t3"], ["t4"]]);
    await pocket.commit(change(1, { rows: [row("t2", { scopes: {} }), row("t3"), row("t4")], dropRows: [["ticket", "t1"]] }));
    expect(await found()).toEqual([["t2", "t3", "t4"], [], ["t2"], []]);
    const some = await pocket.rowsAt([["ticket", "t4"], ["ticket", "t1"], ["outcome", "o1"]]);
    expect(some).toMatchObject([{ id: "t4" }, null, { id: "o1" }]);
  });

  test("keeps a photo once, under the line that named it first", async () => {
    await pocket.commit(change(0, { photos: [photo("p1")] }));
    await pocket.setUpload("p1", "https://here/1", 2);
    await pocket.commit(change(1, { photos: [photo("p1", { n: 7 })] }));
    expect(await pocket.photos()).toEqual([photo("p1", { upload: "https://here/1", sent: 2 }).form]);
  });

  test("remembers of a photo how far its upload got, until it is dropped with its bytes", async () => {
    const smaller = [photo("p3", { role: "copy", of: "p1" }), photo("p2", { role: "preview", of: "p1" })];
    await pocket.commit(change(0, { photos: [...smaller, photo("p1"), photo("p0", { n: 2 })] }));
    expect((await pocket.photos()).map(({ sha256 }) => sha256)).toEqual(["p1", "p2", "p3", "p0"]);
    await pocket.setPhotoProblem("p2", "too-large");
    await pocket.setReceived("p1", 99);
    await pocket.setUpload("nobody's", "x", 1);
    const told = (await pocket.formsOf("p1")).map(({ sha256, received, sent, problem }) => [sha256, received, sent, problem]);
    expect(told).toEqual([["p1", 99, 4, null], ["p2", null, 0, "too-large"], ["p3", null, 0, null]]);
    await pocket.setUpload("p2", null, 0);
    expect((await pocket.formsOf("p1"))[1]!.problem).toBe(null);
    await pocket.dropPhoto("p1");
    await pocket.commit(change(1, { dropPhotos: ["p0"] }));
    expect([await pocket.bytes("p1"), await pocket.bytes("p0"), (await pocket.photos()).length]).toEqual([null, null, 2]);
  });

  test("keeps settings together, forgets one that is set to undefined, and holds a key nobody can take out", async () => {
    const key = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    await pocket.setSettings({ key, token: "t", gone: 1 });
    await pocket.setSettings({ gone: undefined, token: "u" });
    const { key: held, ...rest } = await (await disk.open()).settings(["key", "token", "gone", "never"]);
    expect(rest).toEqual({ token: "u" });
    expect(await pocket.setting("gone")).toBe(undefined);
    const { privateKey, publicKey } = held as CryptoKeyPair;
    const mark = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, utf8("x"));
    expect(privateKey.extractable).toBe(false);
    expect(await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, publicKey, mark, utf8("x"))).toBe(true);
  });

  test("says when it is full, and half of nothing is stored", async () => {
    await pocket.commit(change(0));
    await disk.leave(20_000);
    const before = await whole(pocket);
    const large = { form: photo("p1").form, bytes: new ArrayBuffer(50_000) };
    expect(await slug(pocket.commit(change(1, { lines: [line(1)], photos: [large] })))).toBe("storage-full");
    expect(await slug(pocket.setSettings({ a: "small", b: "x".repeat(50_000) }))).toBe("storage-full");
    expect(await whole(pocket)).toEqual(before);
    await pocket.commit(change(1, { lines: [line(1)] }));
  });

  test("gives its ballast to who needs room, and takes it back only where there is room", async () => {
    expect([await pocket.fillBallast(), await pocket.fillBallast()]).toEqual([true, true]);
    await pocket.commit(change(0));
    await disk.leave(0);
    expect(await slug(pocket.setSettings({ a: "x".repeat(9000) }))).toBe("storage-full");
    expect([await pocket.releaseBallast(), await pocket.releaseBallast()]).toEqual([true, false]);
    await pocket.setSettings({ a: "x".repeat(9000) });
    expect(await pocket.fillBallast()).toBe(false);
    await disk.leave(2_000_000);
    expect(await pocket.fillBallast()).toBe(true);
  });

  test("is erased as a whole, unless somebody wrote since", async () => {
    await pocket.commit(change(0, { lines: [line(1)], rows: [row("t1")], photos: [photo("p1")], settings: { a: 1 } }));
    await expect(pocket.erase(0)).rejects.toBeInstanceOf(Overtaken);
    expect(await pocket.held()).not.toBe(null);
    await pocket.erase(1);
    expect(await whole(pocket)).toEqual([null, [], [], [], null, {}]);
  });
});
