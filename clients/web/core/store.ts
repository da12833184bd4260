// The phone's storage in IndexedDB, through Dexie: what one `commit` holds is on the disk when it resolves, or never happened.
//
// Bytes of photos lie in a table of their own, so that listing photos or noting an upload's progress moves no picture. The
// schema only ever grows: an older app leaves a newer store alone, and a newer one reads an older. Refuses to know what
// anything means.

import { Dexie, type Table } from "dexie";
import type { FactId, Key, Row } from "./facts";
import {
  BALLAST_BYTES, byKey, byLine, type Change, type Held, type Line, Overtaken, type PhotoForm, type Pocket, type Reader,
} from "./pocket";
import { PhoneFault } from "./types";

export const SCHEMA_VERSION = 1;
const RANDOM_BYTES_MAX = 65_536;

type KeptState = Held & { id: 1 };
type KeptLine = Omit<Line, "raw"> & { raw: ArrayBuffer };
/** `within`, `loose` and `doubted` repeat what the row says, for the indexes: only rows they hold for are found there. */
type KeptRow = Row & { within: string[]; loose?: 1; doubted?: 1 };

/** The tables, of the whole database or inside one transaction: then nothing depends on where Dexie thinks it is. */
interface Source { table(name: string): Table }

function tablesOf(source: Source) {
  return {
    state: source.table("state") as Table<KeptState, 1>,
    lines: source.table("lines") as Table<KeptLine, [string, number]>,
    rows: source.table("rows") as Table<KeptRow, [string, string]>,
    photos: source.table("photos") as Table<PhotoForm, string>,
    bytes: source.table("bytes") as Table<{ sha256: string; bytes: ArrayBuffer }, string>,
    settings: source.table("settings") as Table<{ name: string; value: unknown }, string>,
    ballast: source.table("ballast") as Table<{ id: 1; bytes: Uint8Array }, 1>,
  };
}

type Tables = ReturnType<typeof tablesOf>;

/** Another IndexedDB than the global one. */
export interface Factory { indexedDB: IDBFactory; IDBKeyRange: typeof IDBKeyRange }

function declared(name: string, { indexedDB, IDBKeyRange }: Factory): Dexie {
  const dependencies = { indexedDB: refusingNewer(indexedDB), IDBKeyRange };
  const db = new Dexie(name, { chromeTransactionDurability: "strict", cache: "disabled", ...dependencies });
  db.version(SCHEMA_VERSION).stores({
    state: "id",
    lines: "[journal+n], [ticket+journal+n], fact",
    rows: "[kind+id], kind, *within, loose, doubted",
    photos: "sha256, of",
    bytes: "sha256",
    settings: "name",
    ballast: "id",
  });
  return db;
}

/**
 * When a store is newer than the schema here, Dexie opens it once more without naming a version, and adds what it misses.
 * A later app's store is not to be touched, so that second try is where this ends.
 */
function refusingNewer(factory: IDBFactory): IDBFactory {
  return {
    cmp: (a, b) => factory.cmp(a, b),
    databases: () => factory.databases(),
    deleteDatabase: (name) => factory.deleteDatabase(name),
    open: (name, version) => {
      if (version === undefined) throw new PhoneFault("store-too-new");
      return factory.open(name, version);
    },
  };
}

// ------------------------------------------------------------------------------------------------------------------ reading

class DexieReader implements Reader {
  protected readonly tables: Tables;

  constructor(source: Source) {
    this.tables = tablesOf(source);
  }

  held(): Promise<Held | null> {
    return translated(async () => {
      const kept = await this.tables.state.get(1);
      return kept === undefined ? null : { revision: kept.revision, state: kept.state };
    });
  }

  lines(journal: string, first: number, last: number): Promise<Line[]> {
    return this.linesWithin("[journal+n]", [journal], first, last);
  }

  linesOf(ticket: string, journal: string, first: number, last: number): Promise<Line[]> {
    return this.linesWithin("[ticket+journal+n]", [ticket, journal], first, last);
  }

  private linesWithin(index: string, prefix: string[], first: number, last: number): Promise<Line[]> {
    return translated(async () => {
      if (first > last) return [];
      const found = this.tables.lines.where(index).between([...prefix, first], [...prefix, last], true, true);
      return (await found.toArray()).map(asLine);
    });
  }

  lineOf(fact: FactId): Promise<Line | null> {
    return translated(async () => {
      const kept = await this.tables.lines.where("fact").equals(fact).first();
      return kept === undefined ? null : asLine(kept);
    });
  }

  async row(key: Key): Promise<Row | null> {
    return (await this.rowsAt([key]))[0]!;
  }

  rowsAt(keys: readonly Key[]): Promise<(Row | null)[]> {
    return translated(async () => {
      const found = keys.length === 0 ? [] : await this.tables.rows.bulkGet(keys.map(([kind, id]) => [kind, id]));
      return found.map((kept) => (kept === undefined ? null : asRow(kept)));
    });
  }

  rows(kind?: string): Promise<Row[]> {
    return this.rowsFrom(({ rows }) => (kind === undefined ? rows.toArray() : rows.where({ kind }).toArray()));
  }

  rowsIn(scope: string): Promise<Row[]> {
    return this.rowsFrom(({ rows }) => rows.where("within").equals(scope).toArray());
  }

  looseRows(): Promise<Row[]> {
    return this.rowsFrom(({ rows }) => rows.where({ loose: 1 }).toArray());
  }

  doubtfulRows(): Promise<Row[]> {
    return this.rowsFrom(({ rows }) => rows.where({ doubted: 1 }).toArray());
  }

  private rowsFrom(read: (tables: Tables) => PromiseLike<KeptRow[]>): Promise<Row[]> {
    return translated(async () => (await read(this.tables)).map(asRow).sort(byKey));
  }

  photos(): Promise<PhotoForm[]> {
    return translated(async () => (await this.tables.photos.toArray()).sort(byLine));
  }

  formsOf(original: string): Promise<PhotoForm[]> {
    return translated(async () => (await this.tables.photos.where({ of: original }).toArray()).sort(byLine));
  }

  bytes(sha256: string): Promise<ArrayBuffer | null> {
    return translated(async () => (await this.tables.bytes.get(sha256))?.bytes ?? null);
  }

  setting<T>(name: string): Promise<T | undefined> {
    return translated(async () => (await this.tables.settings.get(name))?.value as T | undefined);
  }

  settings(names: readonly string[]): Promise<Record<string, unknown>> {
    return translated(async () => {
      const found = (await this.tables.settings.bulkGet([...names])).filter((kept) => kept !== undefined);
      return Object.fromEntries(found.map(({ name, value }) => [name, value]));
    });
  }
}

// ------------------------------------------------------------------------------------------------------------------ writing

export class DexiePocket extends DexieReader implements Pocket {
  private constructor(private readonly db: Dexie) {
    super(db);
  }

  /** Rejects with PhoneFault store-too-new when a newer app wrote this store, not-saved when the browser gives none. */
  static open(name = "lamplighter", factory: Factory = globalThis): Promise<DexiePocket> {
    return translated(async () => new DexiePocket(await declared(name, factory).open()));
  }

  close(): void {
    this.db.close();
  }

  look<T>(work: (reader: Reader) => Promise<T>): Promise<T> {
    return translated(() => this.db.transaction("r", this.db.tables, async (tx) => work(new DexieReader(tx))));
  }

  commit(change: Change): Promise<void> {
    return this.write(tablesFor(change), async (tables) => {
      await refuseOvertaken(tables, change.seen);
      // Asked for together, so that they cost one turn; a transaction keeps their order.
      await Promise.all([
        writeLines(tables, change),
        writeRows(tables, change),
        writePhotos(tables, change),
        writeSettings(tables, change.settings ?? {}),
        tables.state.put({ id: 1, revision: change.seen + 1, state: change.state }),
      ]);
    });
  }

  setSettings(values: Record<string, unknown>): Promise<void> {
    return this.write(["settings"], (tables) => writeSettings(tables, values));
  }

  setUpload(sha256: string, upload: string | null, sent: number): Promise<void> {
    return this.changeForm(sha256, () => ({ upload, sent, problem: null }));
  }

  setReceived(sha256: string, at: number): Promise<void> {
    return this.changeForm(sha256, ({ size }) => ({ received: at, sent: size, upload: null, problem: null }));
  }

  setPhotoProblem(sha256: string, slug: string | null): Promise<void> {
    return this.changeForm(sha256, () => ({ problem: slug }));
  }

  private changeForm(sha256: string, change: (form: PhotoForm) => Partial<PhotoForm>): Promise<void> {
    return this.write(["photos"], async ({ photos }) => {
      const form = await photos.get(sha256);
      if (form !== undefined) await photos.put({ ...form, ...change(form) });
    });
  }

  dropPhoto(sha256: string): Promise<void> {
    return this.write(["photos", "bytes"], (tables) => deletePhoto(tables, sha256));
  }

  async fillBallast(): Promise<boolean> {
    try {
      await this.write(["ballast"], async ({ ballast }) => {
        if ((await ballast.count()) === 0) await ballast.put({ id: 1, bytes: incompressible(BALLAST_BYTES) });
      });
      return true;
    } catch (fault) {
      if (fault instanceof PhoneFault && fault.slug === "storage-full") return false;
      throw fault;
    }
  }

  releaseBallast(): Promise<boolean> {
    return this.write(["ballast"], async ({ ballast }) => {
      const held = await ballast.count();
      await ballast.clear();
      return held > 0;
    });
  }

  erase(seen: number): Promise<void> {
    return this.write(this.db.tables.map((table) => table.name), async (tables) => {
      await refuseOvertaken(tables, seen);
      await Promise.all(Object.values(tables).map((table) => table.clear()));
    });
  }

  private write<T>(names: string[], work: (tables: Tables) => Promise<T>): Promise<T> {
    return translated(() => this.db.transaction("rw", names, async (tx) => work(tablesOf(tx))));
  }
}

/** Only what a change touches, so that reading the rest goes on beside it. */
function tablesFor(change: Change): string[] {
  const used: [unknown, string[]][] = [
    [change.lines ?? change.dropLines, ["lines"]],
    [change.rows ?? change.dropRows, ["rows"]],
    [change.photos ?? change.dropPhotos, ["photos", "bytes"]],
    [change.settings, ["settings"]],
  ];
  return ["state", ...used.filter(([wanted]) => wanted).flatMap(([, names]) => names)];
}

async function refuseOvertaken({ state }: Tables, seen: number): Promise<void> {
  if (((await state.get(1))?.revision ?? 0) !== seen) throw new Overtaken();
}

async function writeLines(tables: Tables, { lines, dropLines }: Change): Promise<void> {
  if (lines?.length) await tables.lines.bulkAdd(lines.map((line) => ({ ...line, raw: alone(line.raw) })));
  for (const { journal, last } of dropLines ?? []) {
    await tables.lines.where("[journal+n]").between([journal, 0], [journal, last], true, true).delete();
  }
}

async function writeRows(tables: Tables, { rows, dropRows }: Change): Promise<void> {
  if (rows?.length) await tables.rows.bulkPut(rows.map(keptRow));
  if (dropRows?.length) await tables.rows.bulkDelete(dropRows.map(([kind, id]) => [kind, id]));
}

async function writePhotos(tables: Tables, { photos, dropPhotos }: Change): Promise<void> {
  for (const { form, bytes } of photos ?? []) {
    if ((await tables.photos.get(form.sha256)) === undefined) await tables.photos.add(form);
    await tables.bytes.put({ sha256: form.sha256, bytes });
  }
  for (const sha256 of dropPhotos ?? []) await deletePhoto(tables, sha256);
}

async function writeSettings({ settings }: Tables, values: Record<string, unknown>): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    await (value === undefined ? settings.delete(name) : settings.put({ name, value }));
  }
}

async function deletePhoto({ photos, bytes }: Tables, sha256: string): Promise<void> {
  await photos.delete(sha256);
  await bytes.delete(sha256);
}

// ------------------------------------------------------------------------------------------------------------------ values

function asLine(kept: KeptLine): Line {
  return { ...kept, raw: new Uint8Array(kept.raw) };
}

/** The bytes in a buffer of their own: what is stored of a view is its whole buffer. */
function alone(raw: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return raw.byteLength === raw.buffer.byteLength ? raw.buffer : raw.slice().buffer;
}

function keptRow(row: Row): KeptRow {
  const within = Object.keys(row.scopes);
  return { ...row, within, ...(within.length === 0 ? { loose: 1 } : {}), ...(row.doubtful.length > 0 ? { doubted: 1 } : {}) };
}

function asRow(kept: KeptRow): Row {
  const { kind, id, at, incarnation, put, scopes, doubtful, gone, gone_to } = kept;
  return { kind, id, at, incarnation, put, scopes, doubtful, gone, gone_to };
}

/** Bytes that keep their size on the disk whatever the browser does to them. */
function incompressible(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += RANDOM_BYTES_MAX) crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES_MAX));
  return bytes;
}

// ------------------------------------------------------------------------------------------------------------------ faults

/** A promise of this realm, whose error says what a screen can act on. */
async function translated<T>(work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw faultOf(error);
  }
}

function faultOf(error: unknown): unknown {
  const chain = [...causes(error)];
  const known = chain.find((each) => each instanceof PhoneFault || each instanceof Overtaken);
  if (known !== undefined) return known;
  if (chain.some((each) => (each as Error).name === "QuotaExceededError")) return new PhoneFault("storage-full");
  return new PhoneFault("not-saved", error instanceof Error ? error.message : String(error), { cause: (error as Error)?.name });
}

/** An error with everything it was caused by, as Dexie nests it. */
function* causes(error: unknown): Generator<unknown> {
  if (typeof error !== "object" || error === null) return;
  yield error;
  const { inner, failures } = error as { inner?: unknown; failures?: unknown[] };
  if (inner !== error) yield* causes(inner);
  for (const failure of failures ?? []) yield* causes(failure);
}
