// What only the store in IndexedDB must hold: it grows, and an older app leaves a newer store alone.

import { Dexie } from "dexie";
import { IDBDatabase, IDBFactory, IDBKeyRange } from "fake-indexeddb";
import { expect, test, vi } from "vitest";
import type { ReplicaState } from "./facts";
import { type Factory, DexiePocket, SCHEMA_VERSION } from "./store";
import type { PhoneFault } from "./types";

const fresh = (): Factory => ({ indexedDB: new IDBFactory() as never, IDBKeyRange: IDBKeyRange as never });

async function writtenByLaterApp(factory: Factory): Promise<void> {
  const later = new Dexie("lamplighter", factory);
  later.version(SCHEMA_VERSION + 1).stores({ settings: "name", plans: "id" });
  await later.open();
  await later.table("settings").put({ name: "a", value: 1 });
  later.close();
}

test("a store that a later app wrote is refused, and is as it was", async () => {
  const factory = fresh();
  await writtenByLaterApp(factory);
  await expect(DexiePocket.open("lamplighter", factory)).rejects.toMatchObject({ slug: "store-too-new" });
  const later = await new Dexie("lamplighter", factory).open();
  expect([later.verno, later.tables.map(({ name }) => name)]).toEqual([SCHEMA_VERSION + 1, ["plans", "settings"]]);
  later.close();
});

test("an app that was open while a later one took the store over says so", async () => {
  const factory = fresh();
  const pocket = await DexiePocket.open("lamplighter", factory);
  await pocket.setSettings({ a: 1 });
  await writtenByLaterApp(factory);
  const slugs = [pocket.setSettings({ a: 2 }), pocket.setting("a"), pocket.held()].map((work) =>
    work.then(() => "it went on", (fault: PhoneFault) => fault.slug));
  expect(await Promise.all(slugs)).toEqual(Array(3).fill("store-too-new"));
});

test("a browser that gives no store at all says not-saved", async () => {
  const broken = { open: () => { throw new DOMException("denied", "SecurityError"); } } as unknown as globalThis.IDBFactory;
  await expect(DexiePocket.open("lamplighter", { ...fresh(), indexedDB: broken })).rejects.toMatchObject({ slug: "not-saved" });
});

test("what is written is on the disk in the strict sense before it is called written", async () => {
  const begin = vi.spyOn(IDBDatabase.prototype, "transaction");
  const pocket = await DexiePocket.open("lamplighter", fresh());
  await pocket.commit({ seen: 0, state: {} as ReplicaState });
  await pocket.setSettings({ a: 1 });
  const writes = begin.mock.calls.filter(([, mode]) => mode === "readwrite") as unknown[][];
  expect(writes.map(([, , options]) => options)).toEqual([{ durability: "strict" }, { durability: "strict" }]);
  begin.mockRestore();
});
