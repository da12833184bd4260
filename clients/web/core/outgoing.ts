// Request bodies: an envelope that says how far a journal got and where the phone has read, then the oldest unstated lines.
// The sending half of sync/replica.py. Refuses to remember what was sent; a body is also a bundle when saved to a file.

import { concat, utf8 } from "./bytes";
import { nextJournal } from "./conclude";
import { isTorn } from "./draft";
import type { FactId, JournalState, Outgoing, ReplicaState, Signer } from "./facts";
import { factId, genesis } from "./journal";
import type { Line, Pocket, Reader } from "./pocket";
import { markOf, writeEnvelope } from "./wire";

export const LINES_A_PUSH = 1000;
export const BYTES_A_PUSH = 512 * 1024;
const LINE_FEED = utf8("\n");

/** What the envelope says of the phone besides its journal: page size, clock (ms), room (MiB), whether storage is protected. */
export interface Asking { limit_bytes?: number; now_wall?: number; free_mb?: number; persisted?: boolean }

/** What a request is made of: lines of one journal, and the n that the envelope names. */
interface Part { state: ReplicaState; own: JournalState; lines: Line[]; last: number }

/** The oldest unstated lines, or a head alone when a reply was lost or nothing waits. */
export async function nextPart(reader: Reader, state: ReplicaState): Promise<Part> {
  const own = nextJournal(state.journals);
  if (own.unsure > own.stated) return { state, own, lines: [], last: own.unsure };
  const lines = await linesFrom(reader, own, own.stated + 1);
  return { state, own, lines, last: lines.at(-1)?.n ?? own.n };
}

/** Every unstated line in as many parts as it takes; what the server can no longer join on is left out. */
export async function everyPart(reader: Reader, state: ReplicaState): Promise<Part[]> {
  const parts: Part[] = [];
  for (const own of state.journals.filter((each) => !isTorn(each))) {
    for (let from = own.stated + 1; from <= own.n; from = parts.at(-1)!.last + 1) {
      const lines = await linesFrom(reader, own, from);
      parts.push({ state, own, lines, last: lines.at(-1)?.n ?? own.n });
    }
  }
  return parts;
}

export async function compose(pocket: Pocket, signer: Signer, part: Part, asking: Asking): Promise<Outgoing> {
  const { state, own, lines, last } = part;
  const { now_wall = 0, ...told } = asking;
  const first = lines[0]?.n ?? last + 1;
  const head = await headAt(pocket, own, last);
  const envelope = writeEnvelope({
    ...told,
    journal: own.id,
    n: last,
    head,
    first,
    after: lines.length > 0 ? await headAt(pocket, own, first - 1) : null,
    checkpoint: last > own.stated ? await signer.checkpoint(own.id, last, head) : null,
    cursor: state.cursor,
    app: state.app,
    waiting: waitingIn(state),
    oldest_s: await ageOfOldest(pocket, own, now_wall),
    ledger: state.ledger,
    mark: await markOf(state.cursor),
  }, lines.length);
  const body = concat(utf8(envelope), LINE_FEED, ...lines.flatMap((line) => [line.raw, LINE_FEED]));
  return { body, journal: own.id, first, last, lines: lines.length };
}

export function total(state: ReplicaState, member: "n" | "stated"): number {
  return state.journals.reduce((sum, own) => sum + own[member], 0);
}

/** Facts here that the server has not stated; what it stated, and forgot after it was deleted here, is here no more. */
export function waitingIn(state: ReplicaState): number {
  return state.journals.reduce((sum, own) => sum + own.n - Math.max(own.stated, own.dropped), 0);
}

/** Seconds since the oldest unstated line was written, by the phone's own clock. */
async function ageOfOldest(reader: Reader, own: JournalState, nowWall: number): Promise<number> {
  const [oldest] = nowWall ? await reader.lines(own.id, own.stated + 1, own.stated + 1) : [];
  return oldest === undefined ? 0 : Math.max(0, Math.floor((nowWall - oldest.wall) / 1000));
}

async function headAt(reader: Reader, own: JournalState, n: number): Promise<FactId> {
  if (n === own.n) return own.head;
  if (n === 0) return factId(await genesis(own.id));
  const [line] = await reader.lines(own.id, n, n);
  if (line === undefined) throw new Error(`Line ${n} is needed to join on, and is not here.`);
  return line.fact;
}

/** As many lines as one request may hold, at least one. */
async function linesFrom(reader: Reader, own: JournalState, from: number): Promise<Line[]> {
  const lines = await reader.lines(own.id, from, Math.min(own.n, from + LINES_A_PUSH - 1));
  let size = 0;
  const over = lines.findIndex((line, index) => (size += line.raw.length + 1) > BYTES_A_PUSH && index > 0);
  return over < 0 ? lines : lines.slice(0, over);
}
