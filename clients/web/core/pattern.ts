// Regular expressions of guides, matched in time that grows with the text and never explodes, whatever somebody wrote in a
// form.
//
// The browser's own engine backtracks and cannot be interrupted: `(a+)+` on forty letters freezes a phone for a day. Here the
// structure (groups, alternatives, repetition) becomes a small automaton whose states are followed all at once (Thompson
// 1968), and the browser's engine only ever looks at one character. Refuses what such an automaton cannot do: looking around,
// back-references.

/** Larger patterns or texts are not looked at. */
export const PATTERN_CHARACTERS_MAX = 500;
export const TEXT_CHARACTERS_MAX = 2000;
const STATES_MAX = 2000;
const DEPTH_MAX = 50;

/** Whether the whole text matches; null when this cannot be told. */
export function matchesWhole(text: string, pattern: string): boolean | null {
  if (pattern.length > PATTERN_CHARACTERS_MAX || text.length > TEXT_CHARACTERS_MAX) return null;
  const automaton = compiled(pattern);
  return automaton && run(automaton, [...text]);
}

/** A state: `test` takes a character to `next`; without a test it is in all of `next` at once. */
interface State { test?: RegExp; at?: "start" | "end"; next: number[] }
interface Automaton { states: State[]; start: number; end: number }

let last: { pattern: string; automaton: Automaton | null } | null = null;

function compiled(pattern: string): Automaton | null {
  if (last?.pattern !== pattern) last = { pattern, automaton: compile(pattern) };
  return last.automaton;
}

function compile(pattern: string): Automaton | null {
  try {
    new RegExp(`^(?:${pattern})$`, "u"); // what the browser calls wrong is wrong
    return new Builder(pattern).whole();
  } catch {
    return null;
  }
}

function run({ states, start, end }: Automaton, characters: string[]): boolean {
  let here = closure(states, [start], 0, characters.length);
  for (const [index, character] of characters.entries()) {
    const taking = [...here].map((number) => states[number]).filter((state) => state?.test?.test(character));
    here = closure(states, taking.flatMap((state) => state?.next ?? []), index + 1, characters.length);
    if (!here.size) return false;
  }
  return here.has(end);
}

/** Every state that is reached without taking a character. */
function closure(states: State[], from: number[], position: number, length: number): Set<number> {
  const found = new Set<number>();
  const open = [...from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    const state = states[index];
    if (!state || found.has(index)) continue;
    const passes = state.at === undefined || position === (state.at === "start" ? 0 : length);
    found.add(index);
    if (!state.test && passes) open.push(...state.next);
  }
  return found;
}

/** A class, an escape by property, number or control letter, any other escape that is one character, a plain character. */
const ONE_CHARACTER = new RegExp([
  /\[(?:\\[\s\S]|[^\]\\])*\]/, /\\[pPu]\{[^}]*\}/, /\\u[\da-fA-F]{4}/, /\\x[\da-fA-F]{2}/, /\\c[A-Za-z]/, /\\[^1-9kbB]/,
  /[^\\]/,
].map((form) => `^${form.source}`).join("|"), "u");

interface Piece { start: number; end: number }

/** Reads a pattern that the browser has accepted, and builds its automaton. Throws what it cannot build. */
class Builder {
  private readonly states: State[] = [];
  private place = 0;
  private depth = 0;

  constructor(private readonly pattern: string) {}

  whole(): Automaton {
    const { start, end } = this.alternatives();
    if (this.place < this.pattern.length) throw new Error("unbalanced");
    return { states: this.states, start, end };
  }

  private alternatives(): Piece {
    if (++this.depth > DEPTH_MAX) throw new Error("too deep");
    const options = [this.sequence()];
    while (this.take("|")) options.push(this.sequence());
    this.depth--;
    const end = this.add({ next: [] });
    for (const option of options) this.join(option.end, end);
    return { start: this.add({ next: options.map((option) => option.start) }), end };
  }

  private sequence(): Piece {
    let whole = this.empty();
    while (this.place < this.pattern.length && !"|)".includes(this.pattern.charAt(this.place))) {
      whole = this.chain(whole, this.repeated());
    }
    return whole;
  }

  /** One atom with its quantifier; `{m,n}` is written out as copies. */
  private repeated(): Piece {
    const begin = this.place;
    const first = this.atom();
    const behind = this.place;
    const [least, most] = this.quantifier();
    const after = this.place;
    const copy = (): Piece => {
      this.place = begin;
      const piece = this.atom();
      this.place = after;
      return piece;
    };
    if (after === behind) return first;
    let whole = this.empty();
    for (let count = 0; count < least; count++) whole = this.chain(whole, count ? copy() : first);
    if (most === Infinity) return this.chain(whole, this.loop(copy()));
    for (let count = least; count < most; count++) whole = this.chain(whole, this.optional(copy()));
    return whole;
  }

  private quantifier(): [least: number, most: number] {
    const [all, sign, low, comma, high] = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(this.pattern.slice(this.place)) ?? [];
    this.place += all?.length ?? 0;
    if (sign) return [sign === "+" ? 1 : 0, sign === "?" ? 1 : Infinity];
    if (low === undefined) return [1, 1];
    return [Number(low), comma ? (high ? Number(high) : Infinity) : Number(low)];
  }

  private atom(): Piece {
    if (this.take("(")) return this.group();
    if (this.take("^")) return this.single({ at: "start", next: [] });
    if (this.take("$")) return this.single({ at: "end", next: [] });
    const source = this.character();
    return this.single({ test: new RegExp(`^${source}$`, "u"), next: [] });
  }

  private group(): Piece {
    if (this.take("?") && !this.take(":")) {
      const name = /^<[^=!>][^>]*>/.exec(this.pattern.slice(this.place));
      if (!name) throw new Error("looks around");
      this.place += name[0].length;
    }
    const inside = this.alternatives();
    if (!this.take(")")) throw new Error("unbalanced");
    return inside;
  }

  /** The source of one character: a class, an escape, a dot or itself. */
  private character(): string {
    const found = ONE_CHARACTER.exec(this.pattern.slice(this.place));
    if (!found) throw new Error("refers back");
    this.place += found[0].length;
    return found[0];
  }

  private take(sign: string): boolean {
    const there = this.pattern.startsWith(sign, this.place);
    if (there) this.place += sign.length;
    return there;
  }

  private loop(piece: Piece): Piece {
    const end = this.add({ next: [] });
    const start = this.add({ next: [piece.start, end] });
    this.join(piece.end, start);
    return { start, end };
  }

  private optional(piece: Piece): Piece {
    return { start: this.add({ next: [piece.start, piece.end] }), end: piece.end };
  }

  private empty(): Piece {
    const only = this.add({ next: [] });
    return { start: only, end: only };
  }

  private single(state: State): Piece {
    const end = this.add({ next: [] });
    return { start: this.add({ ...state, next: [end] }), end };
  }

  private chain(before: Piece, after: Piece): Piece {
    this.join(before.end, after.start);
    return { start: before.start, end: after.end };
  }

  private join(from: number, to: number): void {
    this.states[from]?.next.push(to);
  }

  private add(state: State): number {
    if (this.states.length >= STATES_MAX) throw new Error("too large");
    return this.states.push(state) - 1;
  }
}
