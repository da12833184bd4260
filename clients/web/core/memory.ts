// A pocket in memory: the smallest thing that keeps the contract. For tests and examples; nothing here outlives its process.

import type { FactId, Key, ReplicaState, Row } from "./facts";
import {
  BALLAST_BYTES, byKey, byLine, type Change, type Held, type Line, Overtaken, type PhotoForm, type Pocket, type Reader,
} from "./pocket";
import { PhoneFault } from "./types";

interface Contents {
  revision: number;
  state: ReplicaState | null;
  lines: Map<string, Line>;
  rows: Map<string, Row>;
  photos: Map<string, PhotoForm>;
  bytes: Map<string, ArrayBuffer>;
  settings: Map<string, unknown>;
  ballast: boolean;
}

/** `room` is how many bytes the whole store may take. */
export class MemoryPocket implements Pocket {
  /** Replaced as a whole by every write and never changed. */
  private contents: Contents = empty();

  constructor(public room = Infinity) {}

  /** A copy, as a phone backup would take it. */
  snapshot(): Contents {
    return copyOf(this.contents);
  }

  /** Become the copy again. */
  restore(snapshot: Contents): void {
    this.contents = copyOf(snapshot);
  }

  /** How many bytes the store takes now, roughly. */
  get size(): number {
    return sizeOf(this.contents);
  }

  // ------------------------------------------------------------------------------------------------------------ reading

  look<T>(work: (reader: Reader) => Promise<T>): Promise<T> {
    const moment = new MemoryPocket();
    moment.contents = this.contents;
    return work(moment);
  }

  async held(): Promise<Held | null> {
    const { revision, state } = this.contents;
    return state === null ? null : structuredClone({ revision, state });
  }

  async lines(journal: string, first: number, last: number): Promise<Line[]> {
    const within = ({ journal: own, n }: Line): boolean => own === journal && first <= n && n <= last;
    return structuredClone([...this.contents.lines.values()].filter(within).sort((a, b) => a.n - b.n));
  }

  async linesOf(ticket: string, journal: string, first: number, last: number): Promise<Line[]> {
    return (await this.lines(journal, first, last)).filter((line) => line.ticket === ticket);
  }

  async lineOf(fact: FactId): Promise<Line | null> {
    return structuredClone([...this.contents.lines.values()].find((line) => line.fact === fact) ?? null);
  }

  async row([kind, id]: Key): Promise<Row | null> {
    return structuredClone(this.contents.rows.get(`${kind}\n${id}`) ?? null);
  }

  rowsAt(keys: readonly Key[]): Promise<(Row | null)[]> {
    return Promise.all(keys.map((key) => this.row(key)));
  }

  async rows(kind?: string): Promise<Row[]> {
    return this.rowsWhere((row) => kind === undefined || row.kind === kind);
  }

  async rowsIn(scope: string): Promise<Row[]> {
    return this.rowsWhere((row) => Object.hasOwn(row.scopes, scope));
  }

  async looseRows(): Promise<Row[]> {
    return this.rowsWhere((row) => Object.keys(row.scopes).length === 0);
  }

  async doubtfulRows(): Promise<Row[]> {
    return this.rowsWhere((row) => row.doubtful.length > 0);
  }

  async photos(): Promise<PhotoForm[]> {
    return structuredClone([...this.contents.photos.values()].sort(byLine));
  }

  async formsOf(original: string): Promise<PhotoForm[]> {
    return (await this.photos()).filter((form) => form.of === original);
  }

  async bytes(sha256: string): Promise<ArrayBuffer | null> {
    return structuredClone(this.contents.bytes.get(sha256) ?? null);
  }

  async setting<T>(name: string): Promise<T | undefined> {
    return structuredClone(this.contents.settings.get(name)) as T | undefined;
  }

  async settings(names: readonly string[]): Promise<Record<string, unknown>> {
    const kept = [...this.contents.settings].filter(([name]) => names.includes(name));
    return structuredClone(Object.fromEntries(kept));
  }

  private rowsWhere(fits: (row: Row) => boolean): Row[] {
    return structuredClone([...this.contents.rows.values()].filter(fits).sort(byKey));
  }

  // ------------------------------------------------------------------------------------------------------------ writing

  commit(change: Change): Promise<void> {
    return this.write((draft) => {
      if (draft.revision !== change.seen) throw new Overtaken();
      writeAll(draft, change);
    });
  }

  setSettings(values: Record<string, unknown>): Promise<void> {
    return this.write((draft) => keepSettings(draft, values));
  }

  setUpload(sha256: string, upload: string | null, sent: number): Promise<void> {
    return this.changeForm(sha256, (form) => ({ ...form, upload, sent, problem: null }));
  }

  setReceived(sha256: string, at: number): Promise<void> {
    return this.changeForm(sha256, (form) => ({ ...form, received: at, sent: form.size, upload: null, problem: null }));
  }

  setPhotoProblem(sha256: string, slug: string | null): Promise<void> {
    return this.changeForm(sha256, (form) => ({ ...form, problem: slug }));
  }

  dropPhoto(sha256: string): Promise<void> {
    return this.write((draft) => dropForm(draft, sha256));
  }

  async fillBallast(): Promise<boolean> {
    try {
      await this.write((draft) => { draft.ballast = true; });
    } catch (fault) {
      if (fault instanceof PhoneFault && fault.slug === "storage-full") return false;
      throw fault;
    }
    return true;
  }

  async releaseBallast(): Promise<boolean> {
    const held = this.contents.ballast;
    await this.write((draft) => { draft.ballast = false; });
    return held;
  }

  erase(seen: number): Promise<void> {
    return this.write((draft) => {
      if (draft.revision !== seen) throw new Overtaken();
      Object.assign(draft, empty());
    });
  }

  close(): void {}

  private changeForm(sha256: string, change: (form: PhotoForm) => PhotoForm): Promise<void> {
    return this.write((draft) => {
      const form = draft.photos.get(sha256);
      if (form !== undefined) draft.photos.set(sha256, change(form));
    });
  }

  /** The draft becomes the store when `work` ends well and it is not larger than the room, unless it became smaller. */
  private async write(work: (draft: Contents) => void): Promise<void> {
    const draft = copyOf(this.contents);
    work(draft);
    const [before, after] = [sizeOf(this.contents), sizeOf(draft)];
    if (after > this.room && after > before) throw new PhoneFault("storage-full");
    this.contents = draft;
  }
}

function empty(): Contents {
  const maps = { lines: new Map(), rows: new Map(), photos: new Map(), bytes: new Map(), settings: new Map() };
  return { revision: 0, state: null, ballast: false, ...maps };
}

/** Values in the maps are replaced and never changed, so a copy of the maps is a copy of the store. */
function copyOf(contents: Contents): Contents {
  const { lines, rows, photos, bytes, settings } = contents;
  const maps = { lines: new Map(lines), rows: new Map(rows), photos: new Map(photos), bytes: new Map(bytes) };
  return { ...contents, ...maps, settings: new Map(settings) };
}

function writeAll(draft: Contents, given: Change): void {
  const change = structuredClone(given);
  for (const line of change.lines ?? []) {
    const place = `${line.journal}\n${line.n}`;
    if (draft.lines.has(place)) throw new PhoneFault("not-saved", "A line is written once.");
    draft.lines.set(place, line);
  }
  for (const { journal, last } of change.dropLines ?? []) {
    for (const [place, line] of draft.lines) if (line.journal === journal && line.n <= last) draft.lines.delete(place);
  }
  for (const row of change.rows ?? []) draft.rows.set(`${row.kind}\n${row.id}`, row);
  for (const [kind, id] of change.dropRows ?? []) draft.rows.delete(`${kind}\n${id}`);
  for (const { form, bytes } of change.photos ?? []) {
    if (!draft.photos.has(form.sha256)) draft.photos.set(form.sha256, form);
    draft.bytes.set(form.sha256, bytes);
  }
  for (const sha256 of change.dropPhotos ?? []) dropForm(draft, sha256);
  keepSettings(draft, change.settings ?? {});
  draft.state = change.state;
  draft.revision += 1;
}

function keepSettings(draft: Contents, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(structuredClone(values))) {
    if (value === undefined) draft.settings.delete(name);
    else draft.settings.set(name, value);
  }
}

function dropForm(draft: Contents, sha256: string): void {
  draft.photos.delete(sha256);
  draft.bytes.delete(sha256);
}

function sizeOf({ state, lines, rows, bytes, settings, ballast }: Contents): number {
  const values = [state, ...rows.values(), Object.fromEntries(settings)].map((value) => JSON.stringify(value).length);
  const held = [...lines.values()].map((line) => line.raw.length + 200);
  const photos = [...bytes.values()].map((data) => data.byteLength);
  return [...values, ...held, ...photos].reduce((sum, size) => sum + size, ballast ? BALLAST_BYTES : 0);
}
