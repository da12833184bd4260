// The bytes: chain, lines, envelopes and replies, by the golden vectors.

import { describe, expect, test } from "vitest";
import { fromBase64url, fromUtf8, toBase64url, utf8 } from "./bytes";
import type { Body } from "./facts";
import { factId, genesis, headBytes, link } from "./journal";
import { faults, KINDS } from "./kinds";
import { fromBase64, vectors } from "./testing/vectors";
import { PhoneFault } from "./types";
import { bodyOf, type Envelope, type Header, parseReply, readLine, writeEnvelope, writeLine } from "./wire";

type Read = { kind: string; body: Body; ticket: string };
type LineCase = { name: string; n: number; line_base64: string; slug?: string; fact?: Read };

const LINES = vectors<LineCase>("lines");
const GOOD = LINES.filter((each) => each.fact !== undefined);
const UNFIT = LINES.filter((each) => each.slug === "bad-field" || each.slug === "bad-time");
const WALL = 1_795_312_800_000;
const HEADER: Header = { ticket: "t1", visit: "v1", fence: 1, base: ["k1", 1], wall: WALL, mono: 1, boot: "b1" };

function refusal(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (fault) {
    return (fault as PhoneFault).slug;
  }
}

/** Writes a line's members again as a phone would. */
function again(line: Body): Uint8Array {
  const body = bodyOf(line);
  const others = Object.entries(line).filter(([name]) => !(name in body) && !["n", "kind", "v"].includes(name));
  const header = Object.fromEntries(others);
  return writeLine(line["n"] as number, line["kind"] as string, header as unknown as Header, body);
}

describe("the chain", () => {
  test.each(vectors<{ journal: string; h0: string; lines_base64: string[]; facts: string[] }>("chain"))(
    "of journal $journal is that of the vectors", async ({ journal, h0, lines_base64, facts }) => {
      let head = await genesis(journal);
      expect(factId(head)).toBe(h0);
      const ids: string[] = [];
      for (const line of lines_base64) {
        head = await link(head, fromBase64(line));
        ids.push(factId(head));
      }
      expect(ids).toEqual(facts);
    });

  test("a fact id has one spelling", () => {
    const id = vectors<{ h0: string }>("chain")[0]!.h0;
    expect(factId(headBytes(id)!)).toBe(id);
    const others = [id.slice(1), `${id}=`, `${id.slice(0, -1)}p`, id.replace(/[-_]/, "+"), `${id.slice(0, -1)}灯`];
    expect(others.map(headBytes)).toEqual(others.map(() => null));
  });

  test("base64url goes both ways for every length", () => {
    for (let size = 0; size < 70; size++) {
      const bytes = crypto.getRandomValues(new Uint8Array(size));
      expect(toBase64url(bytes)).toBe(Buffer.from(bytes).toString("base64url"));
      expect(fromBase64url(toBase64url(bytes))).toEqual(bytes);
    }
    for (const text of ["A", "AB", "AAB", "AAAAA", "AA==", "A A", "A+/A"]) expect(() => fromBase64url(text)).toThrow(TypeError);
  });
});

describe("a line", () => {
  test.each(GOOD)("$name is read as Python reads it, and written again with the same members", ({ line_base64, fact }) => {
    const line = readLine(fromBase64(line_base64));
    expect([line["kind"], line["ticket"], bodyOf(line)]).toEqual([fact!.kind, fact!.ticket, fact!.body]);
    expect(faults(KINDS.get(fact!.kind)!, fact!.body)).toEqual([]);
    expect(readLine(again(line))).toEqual(line);
  });

  test.each(UNFIT)("$name, which the server would quarantine, is never written", ({ line_base64 }) => {
    expect(refusal(() => again(readLine(fromBase64(line_base64))))).toBe("bad-value");
  });

  test("faults of fields are found by the table alone", () => {
    const found = Object.fromEntries(UNFIT.map(({ name, line_base64 }) => {
      const line = readLine(fromBase64(line_base64));
      return [name, faults(KINDS.get(line["kind"] as string)!, bodyOf(line))];
    }));
    expect(found["latitude 91"]).toEqual(["fix lat is outside -90…90"]);
    expect(found["a field of no kind"]).toEqual(["surprise is not a field of note"]);
    expect(found["a missing field"]).toEqual(["text is missing"]);
  });

  test("has the members in the order of the wire", () => {
    const clocks = { boot: "b1", mono: 1, wall: WALL };
    const header: Header = { anchor: "jws", ...clocks, base: ["k7", 5], fence: 2, visit: "v", ticket: "t" };
    expect(fromUtf8(writeLine(7, "note", header, { text: "到" }))).toBe(
      `{"n":7,"kind":"note","v":1,"ticket":"t","visit":"v","fence":2,"base":["k7",5],"wall":${WALL},"mono":1,"boot":"b1",` +
      `"anchor":"jws","text":"到"}`);
  });

  const tooMuch: [string, string, Body][] = [
    ["an unknown kind", "teleport", {}],
    ["a kind of the office", "cancelled", {}],
    ["a member of the header in the body", "note", { text: "x", wall: 5 }],
    ["NUL", "note", { text: "a\0b" }],
    ["half a surrogate pair", "note", { text: "\ud83d" }],
    ["a text of 2001 characters", "note", { text: "长".repeat(2001) }],
    ["a number that is none", "material", { name: "x", quantity: NaN }],
    ["a flag where a number belongs", "material", { name: "x", quantity: true }],
    ["a number beyond the range", "acceptance", { eta_min: 10_001 }],
    ["a fraction where a whole number belongs", "answer", { guide: "g", guide_version: 1.5, step: "s" }],
    ["a list that is too long", "answer", { guide: "g", guide_version: 1, step: "s", value: Array(51).fill("x") }],
    ["a list in a list", "answer", { guide: "g", guide_version: 1, step: "s", value: [["x"]] }],
    ["a choice nobody offers", "return", { reason: "bored" }],
    ["a hash in capitals", "photo", { sha256: "AB".repeat(32), size_bytes: 1 }],
    ["an object with a member too many", "arrival", { fix: { lat: 1, lon: 1, altitude: 3 } }],
    ["an object with a member missing", "arrival", { fix: { lat: 1 } }],
    ["an array as an object", "arrival", { fix: [1, 2] }],
    ["null as a value", "note", { text: null }],
  ];
  test.each(tooMuch)("with %s is refused before anybody says saved", (_, kind, body) => {
    expect(refusal(() => writeLine(2, kind, HEADER, body))).toBe("bad-value");
  });

  test("characters are counted as people count them, not in halves", () => {
    expect(refusal(() => writeLine(2, "note", HEADER, { text: "😀".repeat(2000) }))).toBe(null);
    expect(refusal(() => writeLine(2, "note", HEADER, { text: "😀".repeat(2001) }))).toBe("bad-value");
  });

  test("longer than 16 KiB is refused although every field fits", () => {
    const value = Array(50).fill("长".repeat(200));
    expect(refusal(() => writeLine(2, "answer", HEADER, { guide: "g", guide_version: 1, step: "s", value }))).toBe("bad-value");
  });

  test("a member that is undefined is not there", () => {
    expect(readLine(writeLine(2, "arrival", HEADER, { fix: undefined, far_reason: "桥断" }))).not.toHaveProperty("fix");
  });
});

describe("an envelope", () => {
  test.each(vectors<{ name: string; envelope: Envelope; lines: number; text: string }>("envelopes"))(
    "$name is written to the byte", ({ envelope, lines, text }) => expect(writeEnvelope(envelope, lines)).toBe(text));
});

describe("a reply", () => {
  const row = '{"scope":"crew:A","at":1,"kind":"ticket","id":"t","put":{}}';
  const page = `{"statement":"s"}\n${row}\n{"end":true,"cursor":{"k":{}},"more":false}\n`;

  test("is read as far as whole lines go, wherever it is cut", () => {
    const whole = utf8(page);
    for (let size = 0; size <= whole.length; size++) {
      const reply = parseReply(whole.subarray(0, size));
      expect(reply.end === null).toBe(size < whole.length);
      expect(reply.rows.length).toBe(size < page.indexOf('{"end"') ? 0 : 1);
      expect(reply.statement).toBe(size < page.indexOf("\n") + 1 ? null : "s");
    }
  });

  test("ends at the first line that is not ours", () => {
    for (const strange of ["<html>", "[1]", "null", "\ufeff{}", "{", ""]) {
      expect(parseReply(utf8(`${strange}\n${page}`))).toEqual({ statement: null, rows: [], end: null, problem: null });
    }
    expect(parseReply(new Uint8Array([0x7b, 0xff, 0x7d, 10]))).toMatchObject({ statement: null, end: null });
  });

  test("a problem ends it, with or without a cursor", () => {
    expect(parseReply(utf8('{"problem":{"slug":"fork"}}\n'))).toMatchObject({ end: null, problem: { slug: "fork" } });
    expect(parseReply(utf8('{"problem":"no"}\n')).problem).toBe(null);
  });
});
