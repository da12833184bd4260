// Both pockets behind one face, for tests that must hold for either: opening one store twice, copying it, filling the disk.

import { IDBFactory, IDBKeyRange, IDBObjectStore } from "fake-indexeddb";
import { serialize } from "node:v8";
import { MemoryPocket } from "../memory";
import type { Pocket } from "../pocket";
import { DexiePocket } from "../store";

/** One phone's storage. `open` gives a connection to it, as each tab has its own. */
export interface Disk {
  open(): Promise<Pocket>;
  /** A copy, as a phone backup would take it. */
  copy(): Promise<unknown>;
  /** Become the copy again; connections that are open go on with it. */
  restore(copy: unknown): Promise<void>;
  /** From now on only `bytes` more fit; Infinity for an empty disk. */
  leave(bytes: number): Promise<void>;
}

export const DISKS: Record<string, () => Disk> = { "in memory": memoryDisk, "in IndexedDB": indexedDisk };

function memoryDisk(): Disk {
  const pocket = new MemoryPocket();
  return {
    open: async () => pocket,
    copy: async () => pocket.snapshot(),
    restore: async (copy) => pocket.restore(copy as ReturnType<MemoryPocket["snapshot"]>),
    leave: async (bytes) => { pocket.room = pocket.size + bytes; },
  };
}

function indexedDisk(): Disk {
  const factory = { indexedDB: new IDBFactory() as unknown as IDBFactory & globalThis.IDBFactory, IDBKeyRange };
  return {
    open: () => DexiePocket.open("lamplighter", factory as never),
    copy: () => withDatabase(factory.indexedDB, readAll),
    restore: (copy) => withDatabase(factory.indexedDB, (db) => writeAll(db, copy as Copy)),
    leave: async (bytes) => {
      const used = await withDatabase(factory.indexedDB, async (db) => sizeOf(await readAll(db)));
      limits.set(factory.indexedDB, { room: used + bytes });
      await withDatabase(factory.indexedDB, async (db) => { owners.set(rawOf(db), factory.indexedDB); });
    },
  };
}

export type Touch = (call: () => Promise<unknown>, name: string) => Promise<unknown>;

/** A pocket whose every call goes through `touch`, also those made while looking. */
export function touched<P extends object>(pocket: P, touch: Touch): P {
  return new Proxy(pocket, {
    get(target, name: string) {
      const member = (target as Record<string, unknown>)[name];
      if (typeof member !== "function" || name === "close") return member;
      const call = member.bind(target) as (...args: unknown[]) => Promise<unknown>;
      if (name !== "look") return (...args: unknown[]) => touch(() => call(...args), name);
      return (work: (reader: object) => unknown) => touch(() => call((reader: object) => work(touched(reader, touch))), name);
    },
  });
}

// ------------------------------------------------------------------------------------------------------------------ copies

type Copy = Record<string, { key: IDBValidKey; value: unknown }[]>;

async function withDatabase<T>(factory: IDBFactory, work: (db: IDBDatabase) => Promise<T>): Promise<T> {
  const db = await asked((factory as unknown as globalThis.IDBFactory).open("lamplighter"));
  try {
    return await work(db);
  } finally {
    db.close();
  }
}

async function readAll(db: IDBDatabase): Promise<Copy> {
  const names = [...db.objectStoreNames];
  const transaction = db.transaction(names, "readonly");
  const parts = names.map(async (name) => {
    const store = transaction.objectStore(name);
    const [keys, values] = await Promise.all([asked(store.getAllKeys()), asked(store.getAll())]);
    return [name, keys.map((key, index) => ({ key, value: values[index] as unknown }))] as const;
  });
  return Object.fromEntries(await Promise.all(parts));
}

async function writeAll(db: IDBDatabase, copy: Copy): Promise<void> {
  const transaction = db.transaction([...db.objectStoreNames], "readwrite");
  for (const [name, records] of Object.entries(copy)) {
    const store = transaction.objectStore(name);
    store.clear();
    for (const { value } of records) store.put(value);
  }
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = reject;
  });
}

function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function sizeOf(copy: Copy): number {
  return Object.values(copy).flat().reduce((sum, { value }) => sum + serialize(value).length, 0);
}

// -------------------------------------------------------------------------------------------------------------- a full disk

const limits = new WeakMap<object, { room: number }>();
const owners = new WeakMap<object, object>();
const { put, add } = IDBObjectStore.prototype;

type Records = { values(): Iterable<{ value: unknown }> };
type RawStore = { records: Records; rawDatabase: { rawObjectStores: Map<string, RawStore> } };

function rawOf(db: unknown): object {
  return (db as { _rawDatabase: object })._rawDatabase;
}

/** The quota of a browser, which IndexedDB in memory does not have: what does not fit is refused as a browser refuses it. */
function refuseBeyondRoom(store: unknown, value: unknown): void {
  const raw = (store as { _rawObjectStore: RawStore })._rawObjectStore;
  const limit = limits.get(owners.get(raw.rawDatabase) ?? {});
  if (limit === undefined) return;
  const records = [...raw.rawDatabase.rawObjectStores.values()].flatMap((each) => [...each.records.values()]);
  const used = records.reduce((sum, record) => sum + serialize(record.value).length, 0);
  if (used + serialize(value).length > limit.room) throw new DOMException("There is no room.", "QuotaExceededError");
}

IDBObjectStore.prototype.put = function (value, key) {
  refuseBeyondRoom(this, value);
  return put.call(this, value, key);
};
IDBObjectStore.prototype.add = function (value, key) {
  refuseBeyondRoom(this, value);
  return add.call(this, value, key);
};
