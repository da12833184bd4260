// One step of a replica in the making: what was read and what shall be written; nothing is durable before its change is.
//
// A draft is thrown away when the store was written by somebody else meanwhile; so nothing in it may be kept. Reads see what
// the draft already changed. Refuses to know when a step happens and what a server said.

import type { Body, FactId, JournalState, Key, Notice, Reading, ReplicaState, Row } from "./facts";
import { factId, genesis, headBytes, link } from "./journal";
import { WALL_MAX, WALL_MIN } from "./kinds";
import { byKey, type Change, type Held, type Line, type PhotoForm, type Pocket } from "./pocket";
import { type Header, writeLine } from "./wire";

export class Draft {
  readonly state: ReplicaState;
  private readonly seen: number;
  private readonly rows = new Map<string, { key: Key; row: Row | null }>();
  private readonly added: Line[] = [];
  private readonly photos: { form: PhotoForm; bytes: ArrayBuffer }[] = [];
  private readonly droppedLines: { journal: string; last: number }[] = [];
  private readonly droppedPhotos: string[] = [];
  settings: Record<string, unknown> | undefined;

  constructor(private readonly pocket: Pocket, held: Held) {
    this.state = held.state;
    this.seen = held.revision;
  }

  /** Everything this step writes, for one `commit`. */
  change(): Change {
    const rows = [...this.rows.values()];
    return {
      seen: this.seen,
      state: this.state,
      ...some("lines", this.added),
      ...some("dropLines", this.droppedLines),
      ...some("rows", rows.map(({ row }) => row).filter((row) => row !== null)),
      ...some("dropRows", rows.filter(({ row }) => row === null).map(({ key }) => key)),
      ...some("photos", this.photos),
      ...some("dropPhotos", this.droppedPhotos),
      ...(this.settings === undefined ? {} : { settings: this.settings }),
    };
  }

  // ------------------------------------------------------------------------------------------------------------ journals

  get journal(): JournalState {
    return this.state.journals[this.state.journals.length - 1]!;
  }

  journalOf(id: string): JournalState | null {
    return this.state.journals.find((own) => own.id === id) ?? null;
  }

  /** The id of line n, or null when it is not here. */
  async headAt(own: JournalState, n: number): Promise<FactId | null> {
    if (n === own.n) return own.head;
    if (n === 0) return factId(await genesis(own.id));
    return (await this.pocket.lines(own.id, n, n))[0]?.fact ?? null;
  }

  /** Open a new journal that names the one before; never re-number, never continue what may have gone backwards. */
  async beginJournal(id: string, reading: Reading, why: string): Promise<void> {
    const { device, member, app, journals } = this.state;
    const before = journals.at(-1);
    journals.push(freshJournal(id, factId(await genesis(id))));
    const previous = before && { previous: before.id, previous_n: before.n, previous_head: before.head };
    if (before !== undefined) {
      this.state.anchor_used = this.state.anchor === null;
      // What this phone remembers as stated may itself come from an old copy: ask once more about what went before.
      this.askAgain(this.journal);
    }
    await this.append("opening", {}, { device, member, app, why, ...previous }, reading);
  }

  /**
   * The server went back: what it said of this phone's other journals must be asked again, by head. Of a torn one too:
   * perhaps nobody but an unsigned word ever said that its beginning is lost.
   */
  askAgain(known: JournalState): void {
    for (const own of this.state.journals) {
      if (own === known || own.n === 0) continue;
      own.stated = Math.min(own.stated, own.dropped > 0 ? own.dropped + 1 : 0);
      own.unsure = own.n;
    }
  }

  /** Write one line. A statement not yet carried goes with it, as the anchor. Throws PhoneFault bad-value. */
  async append(kind: string, header: Omit<Header, "wall" | "mono" | "boot">, body: Body, reading: Reading): Promise<Line> {
    const { journal: own, state } = this;
    // A clock outside the years the wire can say (a flat battery says 1970) must not keep anything from being recorded;
    // the bounds the server can prove do not depend on it.
    const wall = Math.min(Math.max(Math.trunc(reading.wall), WALL_MIN), WALL_MAX);
    const stamps = { wall, mono: Math.trunc(reading.mono), boot: reading.boot };
    const raw = writeLine(own.n + 1, kind, { ...header, ...stamps, anchor: state.anchor_used ? null : state.anchor }, body);
    const fact = factId(await link(headBytes(own.head)!, raw));
    own.n += 1;
    own.head = fact;
    state.anchor_used = true;
    const { ticket = null, visit = null } = header;
    const line = { journal: own.id, n: own.n, fact, kind, ticket, visit, wall, raw };
    this.added.push(line);
    return line;
  }

  dropLines(own: JournalState, last: number): void {
    this.droppedLines.push({ journal: own.id, last });
    own.dropped = Math.max(own.dropped, last);
  }

  notice(slug: string, details: Body): void {
    this.state.notices.push({ slug, ...details } as Notice);
  }

  // ---------------------------------------------------------------------------------------------------------------- rows

  /** Read several rows at once, so that later single reads cost nothing. */
  async fetch(keys: readonly Key[]): Promise<void> {
    const missing = keys.filter((key) => !this.read.has(keyText(key)));
    const found = await this.pocket.rowsAt(missing);
    missing.forEach((key, index) => this.read.set(keyText(key), found[index] ?? null));
  }

  private readonly read = new Map<string, Row | null>();

  async row(key: Key): Promise<Row | null> {
    const changed = this.rows.get(keyText(key));
    if (changed !== undefined) return changed.row;
    await this.fetch([key]);
    return this.read.get(keyText(key)) ?? null;
  }

  putRow(row: Row): void {
    this.rows.set(keyText([row.kind, row.id]), { key: [row.kind, row.id], row });
  }

  dropRow(key: Key): void {
    this.rows.set(keyText(key), { key, row: null });
  }

  async rowsIn(scope: string): Promise<Row[]> {
    return this.overlaid(await this.pocket.rowsIn(scope), (row) => Object.hasOwn(row.scopes, scope));
  }

  async looseRows(): Promise<Row[]> {
    return this.overlaid(await this.pocket.looseRows(), (row) => Object.keys(row.scopes).length === 0);
  }

  async doubtfulRows(): Promise<Row[]> {
    return this.overlaid(await this.pocket.doubtfulRows(), (row) => row.doubtful.length > 0);
  }

  private overlaid(stored: Row[], fits: (row: Row) => boolean): Row[] {
    const untouched = stored.filter((row) => !this.rows.has(keyText([row.kind, row.id])));
    const touched = [...this.rows.values()].map(({ row }) => row).filter((row) => row !== null && fits(row)) as Row[];
    return [...untouched, ...touched].sort(byKey);
  }

  // -------------------------------------------------------------------------------------------------------------- photos

  addPhoto(form: PhotoForm, bytes: ArrayBuffer): void {
    this.photos.push({ form, bytes });
  }

  dropPhoto(sha256: string): void {
    this.droppedPhotos.push(sha256);
  }
}

/** Whether the server lost lines it had called durable and the phone has since deleted: nothing can join on. */
export function isTorn(own: JournalState): boolean {
  return own.dropped > 0 && own.stated <= own.dropped;
}

function freshJournal(id: string, head: FactId): JournalState {
  return { id, n: 0, head, stated: 0, durable: 0, stated_at: 0, unsure: 0, forked: false, dropped: 0 };
}

function keyText([kind, id]: Key): string {
  return `${kind}\n${id}`;
}

/** A member of a change, left out when there is nothing in it. */
function some<Name extends keyof Change, Item>(name: Name, items: Item[]): { [N in Name]?: Item[] } {
  return (items.length > 0 ? { [name]: items } : {}) as { [N in Name]?: Item[] };
}
