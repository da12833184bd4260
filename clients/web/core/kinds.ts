// What a fact of each kind may hold, read from the table that `python -m tests.vectors.make` writes from sync/kinds.
// One small interpreter of that table, so that no rule is written twice. Refuses to know any particular kind.

import type { Body } from "./facts";
import table from "./kinds.json";
import type { TicketState } from "./types";

/** What one field may hold; twin of the types in sync/kinds/base.py. */
export type FieldType =
  | { type: "text"; characters_max: number }
  | { type: "number" | "integer"; low: number; high: number }
  | { type: "flag" }
  | { type: "choice"; values: readonly string[] }
  | { type: "pattern"; pattern: string; what: string }
  | { type: "shape"; members: readonly (readonly [string, FieldType])[]; required: number }
  | { type: "any_of"; types: readonly FieldType[] }
  | { type: "list_of"; item: FieldType; count_max: number };

export interface Field { name: string; type: FieldType; required?: boolean; private?: boolean }

/** Where the whole fact stands: once, appended, or once for each value of the field `each`. */
export interface Slot { name: string; of: string; policy: string; each?: string }

export interface Kind {
  name: string; title: { zh: string; en: string }; version: number; fields: readonly Field[]; slot?: Slot; moves?: TicketState;
  corrects?: boolean; needs_visit?: boolean;
}

interface Table { kinds: readonly Kind[]; header: readonly string[]; ranks: Record<string, number>; wall_ms: [number, number] }

const read = table as unknown as Table;

/** Every kind a phone may write, by its name on the wire. */
export const KINDS: ReadonlyMap<string, Kind> = new Map(read.kinds.map((kind) => [kind.name, kind]));
/** Members of a line that are not its body. */
export const HEADER: ReadonlySet<string> = new Set(read.header);
/** How far a ticket is: own facts move it on, never back, and never open what is closed. */
export const RANK = read.ranks as Record<TicketState, number>;
/** The years the wire can say, in ms. */
export const [WALL_MIN, WALL_MAX] = read.wall_ms;

/** Every way the body does not fit its kind's table; empty when it does. */
export function faults(kind: Kind, body: Body): string[] {
  const missing = kind.fields.filter((field) => field.required && !Object.hasOwn(body, field.name));
  const found = missing.map((field) => `${field.name} is missing`);
  for (const [name, value] of Object.entries(body)) {
    const field = kind.fields.find((known) => known.name === name);
    const fault = field === undefined ? `is not a field of ${kind.name}` : faultOf(field.type, value);
    if (fault !== null) found.push(`${name.slice(0, 32)} ${fault}`);
  }
  return found;
}

/** The names of a kind's fields that never leave HQ's rules, not even for the phone's own screen. */
export function privateFields(kind: Kind): Set<string> {
  return new Set(kind.fields.filter((field) => field.private).map((field) => field.name));
}

/** What is wrong with a value in a few words, or null. */
export function faultOf(type: FieldType, value: unknown): string | null {
  switch (type.type) {
    case "text": return textFault(type.characters_max, value);
    case "number": return rangeFault(type, value, typeof value === "number", "is not a number");
    case "integer": return rangeFault(type, value, Number.isInteger(value), "is not a whole number");
    case "flag": return typeof value === "boolean" ? null : "is not true or false";
    case "choice": return type.values.includes(value as string) ? null : `is not one of ${type.values.join(", ")}`;
    case "pattern": return typeof value === "string" && pattern(type.pattern).test(value) ? null : type.what;
    case "shape": return shapeFault(type, value);
    case "any_of": return anyFault(type.types, value);
    case "list_of": return listFault(type, value);
  }
}

function textFault(most: number, value: unknown): string | null {
  if (typeof value !== "string") return "is not text";
  // Characters are code points here as in Python; counting is needed only where UTF-16 units are too many.
  return value.length <= most || [...value].length <= most ? null : `is longer than ${most} characters`;
}

function rangeFault(range: { low: number; high: number }, value: unknown, fits: boolean, otherwise: string): string | null {
  if (!fits) return otherwise;
  const number = value as number;
  return range.low <= number && number <= range.high ? null : `is outside ${range.low}…${range.high}`;
}

const patterns = new Map<string, RegExp>();

function pattern(source: string): RegExp {
  const known = patterns.get(source) ?? new RegExp(`^(?:${source})$`);
  patterns.set(source, known);
  return known;
}

function shapeFault(shape: Extract<FieldType, { type: "shape" }>, value: unknown): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "is not an object";
  const lacking = shape.members.slice(0, shape.required).find(([name]) => !Object.hasOwn(value, name));
  if (lacking !== undefined) return `lacks ${lacking[0]}`;
  for (const [name, member] of Object.entries(value)) {
    const known = shape.members.find(([other]) => other === name);
    if (known === undefined) return `has an unknown member ${name.slice(0, 32)}`;
    const fault = faultOf(known[1], member);
    if (fault !== null) return `${name} ${fault}`;
  }
  return null;
}

function anyFault(types: readonly FieldType[], value: unknown): string | null {
  const found = types.map((type) => faultOf(type, value));
  return found.includes(null) ? null : found.join(" or ");
}

function listFault(list: Extract<FieldType, { type: "list_of" }>, value: unknown): string | null {
  if (!Array.isArray(value)) return "is not a list";
  if (value.length > list.count_max) return `has more than ${list.count_max} items`;
  return value.map((item) => faultOf(list.item, item)).find((fault) => fault !== null) ?? null;
}
