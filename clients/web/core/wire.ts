// Bytes ⇄ nouns, as far as a phone needs them; twin of sync/wire.py. What is written here fits its kind's table, and what is
// read of a reply is taken as far as whole lines go. Refuses to know what a fact does.

import { type Bytes, fromUtf8, sha256, toBase64url, utf8 } from "./bytes";
import type { Body, Cursor, FactId, Problem } from "./facts";
import { LINE_BYTES_MAX } from "./journal";
import { faults, HEADER, KINDS, type Kind, WALL_MAX, WALL_MIN } from "./kinds";
import { PhoneFault } from "./types";

export type { Statement } from "./facts";

export const WIRE_VERSION = 1;
const DEPTH_MAX = 16;
const NUMBER_MAX = 2 ** 53;
const FENCE_MAX = 1_000_000;
const BOOT_CHARACTERS_MAX = 40;
const ANCHOR_CHARACTERS_MAX = 2000;
const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

// --------------------------------------------------------------------------------------------------------------- a line

/** What stands in a line before its body; members that are null are left out. */
export interface Header {
  ticket?: string | null; visit?: string | null; fence?: number; base?: readonly [string, number]; wall: number; mono: number;
  boot: string; anchor?: string | null;
}

/** A journal line. Throws PhoneFault bad-value when it does not fit its kind's table or 16 KiB; nothing else may be saved. */
export function writeLine(n: number, kind: string, header: Header, body: Body): Bytes {
  const known = KINDS.get(kind);
  if (known === undefined) throw unfit(`${kind} is not a kind a phone writes`);
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
  const found = [...headerFaults(known, header), ...faults(known, given), ...valueFaults(given)];
  if (found.length > 0) throw unfit(found.join("; "));
  const raw = utf8(JSON.stringify({ n, kind, v: known.version, ...inOrder(header), ...given }));
  if (raw.length > LINE_BYTES_MAX) throw unfit(`${raw.length} bytes; a line holds ${LINE_BYTES_MAX}`);
  return raw;
}

/** The header's members in the order of the wire. */
function inOrder(header: Header): Body {
  const { ticket, visit, fence, base, wall, mono, boot, anchor } = header;
  const members = { ticket, visit, fence, base, wall, mono, boot, anchor };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null));
}

function headerFaults(kind: Kind, header: Header): string[] {
  const { ticket, visit, fence, base, wall, mono, boot, anchor } = header;
  const whole = (value: number, low: number, high: number): boolean => Number.isInteger(value) && low <= value && value <= high;
  const rules: [boolean, string][] = [
    [!ticket && kind.name !== "opening", "ticket is missing"],
    [!visit && kind.needs_visit === true, "visit is missing"],
    [Boolean(ticket) && !IDENTIFIER.test(ticket!), "ticket is not an identifier"],
    [Boolean(visit) && !IDENTIFIER.test(visit!), "visit is not an identifier"],
    [fence !== undefined && !whole(fence, 0, FENCE_MAX), "fence is not a whole number"],
    [base !== undefined && !(typeof base[0] === "string" && Number.isInteger(base[1])), "base must be [incarnation, position]"],
    [!whole(wall, WALL_MIN, WALL_MAX), "wall must be milliseconds within 2000–2100"],
    [!Number.isInteger(mono) || Math.abs(mono) > NUMBER_MAX, "mono must be a number"],
    [!isShort(boot, BOOT_CHARACTERS_MAX), "boot must be a short text"],
    [Boolean(anchor) && !isShort(anchor, ANCHOR_CHARACTERS_MAX), "anchor must be a compact JWS"],
  ];
  return rules.filter(([wrong]) => wrong).map(([, what]) => what);
}

function isShort(value: unknown, most: number): boolean {
  return typeof value === "string" && value.length <= most;
}

/** What strict JSON (RFC 8259, and the server's reader) would not take, whatever the table says of the field. */
function valueFaults(value: unknown, depth = 1): string[] {
  if (typeof value === "number") return Math.abs(value) <= NUMBER_MAX ? [] : ["a number is out of range"];
  if (typeof value === "string") return textFaults(value);
  if (typeof value !== "object" || value === null) return [];
  if (depth > DEPTH_MAX) return ["it is nested too deep"];
  const names = Array.isArray(value) ? [] : Object.keys(value).flatMap(textFaults);
  return [...names, ...Object.values(value).flatMap((item) => valueFaults(item, depth + 1))];
}

function textFaults(text: string): string[] {
  if (text.includes("\0")) return ["a text holds NUL"];
  return LONE_SURROGATE.test(text) ? ["a text holds half a character"] : [];
}

function unfit(detail: string): PhoneFault {
  return new PhoneFault("bad-value", `This cannot be recorded: ${detail.slice(0, 400)}`, { detail });
}

/** A line of this phone's own journal as it was written. */
export function readLine(raw: Uint8Array): Body {
  return JSON.parse(fromUtf8(raw)) as Body;
}

/** The body of a line: what is not its header. */
export function bodyOf(line: Body): Body {
  return Object.fromEntries(Object.entries(line).filter(([name]) => !HEADER.has(name)));
}

// ------------------------------------------------------------------------------------------------------------ a request

/** First line of a sync request. `cursor` maps incarnation → scope → position; `mark` stands for it where nothing is new. */
export interface Envelope {
  journal: string; n: number; head: FactId; first?: number; after?: FactId | null; checkpoint?: string | null; cursor?: Cursor;
  app?: string; limit_bytes?: number; waiting?: number; oldest_s?: number; free_mb?: number | null; persisted?: boolean | null;
  ledger?: number; mark?: string | null;
}

export function writeEnvelope(envelope: Envelope, lineCount: number): string {
  const { checkpoint, free_mb, persisted } = envelope;
  const optional = Object.entries({ checkpoint, free_mb, persisted }).filter(([, value]) => (value ?? null) !== null);
  return JSON.stringify({
    v: WIRE_VERSION,
    app: envelope.app ?? "",
    journal: envelope.journal,
    ...(lineCount > 0 ? { after: envelope.after ?? null, from: envelope.first ?? 1 } : {}),
    n: envelope.n,
    head: envelope.head,
    ...Object.fromEntries(optional),
    cursor: envelope.cursor ?? {},
    limit_bytes: envelope.limit_bytes ?? 65_536,
    waiting: envelope.waiting ?? 0,
    oldest_s: envelope.oldest_s ?? 0,
    ledger: envelope.ledger ?? 0,
    ...((envelope.mark ?? null) === null ? {} : { mark: envelope.mark }),
  });
}

const MARK_CHARACTERS = 8;

/** A short name of a cursor, for the phone that made it: nobody else needs to come to the same. */
export async function markOf(cursor: Cursor): Promise<string> {
  return toBase64url(await sha256(utf8(byName(cursor)))).slice(0, MARK_CHARACTERS);
}

/** JSON with members in the order of their names, for comparing. */
export function byName(value: unknown): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${byName(member)}`).join(",")}}`;
}

// -------------------------------------------------------------------------------------------------------------- a reply

export type End = Body & { cursor: Cursor };

/**
 * What a device reads: the statement, rows of the page, and its end. `end` is null when the reply was cut; with a mark in
 * place of a cursor it says that nothing is new since the cursor of that mark.
 */
export interface Reply {
  statement: string | null; rows: Body[]; end: End | (Body & { mark: string }) | null; problem: Problem | null;
}

/** Reads as far as whole, well-formed lines go; a cut or foreign reply yields what is certain and no end. */
export function parseReply(body: Uint8Array): Reply {
  const reply: Reply = { statement: null, rows: [], end: null, problem: null };
  for (let from = 0, feed = body.indexOf(LINE_FEED); feed >= 0; from = feed + 1, feed = body.indexOf(LINE_FEED, from)) {
    const line = asObject(body.subarray(from, feed));
    if (line === null) break;
    if ("statement" in line) reply.statement = line["statement"] as string;
    else if ("scope" in line) reply.rows.push(line);
    else if ("problem" in line || "end" in line) {
      reply.end = isObject(line["cursor"]) || typeof line["mark"] === "string" ? (line as End) : null;
      reply.problem = isObject(line["problem"]) ? (line["problem"] as Problem) : null;
      break;
    }
  }
  return reply;
}

const LINE_FEED = 10;

function asObject(raw: Uint8Array): Body | null {
  try {
    const value: unknown = JSON.parse(fromUtf8(raw));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Body {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
