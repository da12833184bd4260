import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { answersOf, evaluate, fault, matching, next, offered, pinned, progress, unusual, visibleSteps } from "./guide";
import type { AnswerValue, Expression, Guide, Moment, Step, Visit } from "./types";

interface Case {
  xpath: string; compiled: Expression; value: unknown;
  answers?: Record<string, AnswerValue>; self?: string | number; row?: Record<string, string>;
}

const { cases } = JSON.parse(readFileSync(new URL("../../../tests/server/desk/expressions.json", import.meta.url), "utf8")) as
  { cases: Case[] };

const label = (text: string) => ({ zh: text, en: text });

function step(id: string, type: Step["type"], more: Partial<Step> = {}): Step {
  return { id, type, label: label(id), ...more };
}

function guide(steps: Step[], more: Partial<Guide> = {}): Guide {
  return { guide: "g", version: 1, title: label("g"), kinds: [], causes: [], superseded: false, choices: {}, steps, ...more };
}

let told = 0;
const moment = (fields: Record<string, unknown>): Moment => ({ at: ++told, fact: `f${told}`, by: "member:m1", ...fields });

function visit(answers: Record<string, AnswerValue>, more: Partial<Visit> = {}): Visit {
  const moments = Object.entries(answers).map(([id, value]) => [id, moment({ value })] as const);
  return { members: [], answers: Object.fromEntries(moments), ...more };
}

describe("expressions give what the server's table of examples says", () => {
  for (const one of cases) {
    test(`${one.xpath} with ${JSON.stringify(one.answers ?? {})}`, () => {
      const answers = one.answers ?? {};
      const steps = Object.entries(answers).map(([id, value]) => step(id, typeof value === "number" ? "number" : "text"));
      const found = evaluate(one.compiled, {
        guide: guide(steps), answers, relevant: new Map(), ...(one.self === undefined ? {} : { self: one.self }),
        choice: { name: "c", label: label("c"), ...one.row },
      });
      expect(found).toBe(one.value);
    });
  }
});

describe("what a step is in an expression", () => {
  const see = (type: Step["type"], value: AnswerValue): unknown =>
    evaluate(["string", ["ref", "s"]], { guide: guide([step("s", type)]), answers: { s: value }, relevant: new Map() });

  test("a tick is OK or nothing", () => {
    expect([see("tick", true), see("tick", false)]).toEqual(["OK", ""]);
  });

  test("several choices are words with a space between them", () => {
    expect(see("choices", ["b", "a"])).toBe("b a");
  });

  test("numbers are written without exponents", () => {
    expect(see("number", 1e21)).toBe("1000000000000000000000");
    expect(see("number", -2.5e-7)).toBe("-0.00000025");
  });
});

describe("which steps are shown", () => {
  const cause = step("cause", "choice", { list: "causes" });
  const fuse = step("fuse", "text", { relevant: ["=", ["ref", "cause"], "fuse"] });
  const depends = step("size", "number", { relevant: ["!=", ["ref", "fuse"], ""] });
  const one = guide([cause, fuse, depends]);
  const shown = (answers: Record<string, AnswerValue>): string[] => visibleSteps(one, answers).map((each) => each.id);

  test("a step waits for the answer it depends on", () => {
    expect(shown({})).toEqual(["cause"]);
    expect(shown({ cause: "fuse" })).toEqual(["cause", "fuse"]);
  });

  test("an answer to a step that is no longer relevant counts as none", () => {
    expect(shown({ cause: "fuse", fuse: "NT00" })).toEqual(["cause", "fuse", "size"]);
    expect(shown({ cause: "meter", fuse: "NT00" })).toEqual(["cause"]);
  });

  test("steps that depend on each other are shown rather than asked for ever", () => {
    const [a, b] = [["=", ["ref", "b"], ""], ["=", ["ref", "a"], ""]] as Expression[];
    expect(visibleSteps(guide([step("a", "text", { relevant: a! }), step("b", "text", { relevant: b! })]), {})).toHaveLength(2);
  });

  test("an operator of a newer server hides nothing", () => {
    expect(visibleSteps(guide([step("a", "text", { relevant: ["no-such-operator", 1] })]), {})).toHaveLength(1);
  });
});

describe("what is offered", () => {
  const choices = { parts: [
    { name: "nt00", label: label("NT00"), of: "fuse" }, { name: "dts", label: label("DTS"), of: "meter" },
  ] };
  const parts = step("part", "choice", { list: "parts", filter: ["=", ["column", "of"], ["ref", "cause"]] });
  const one = guide([step("cause", "text"), parts], { choices });

  test("a filter sees the columns of the choice and the answers before it", () => {
    expect(offered(one, parts, { cause: "meter" }).map((choice) => choice.name)).toEqual(["dts"]);
  });

  test("an answer that is not offered is refused, also as one of several", () => {
    expect(fault(one, parts, "nt00", { cause: "meter" })).toEqual({ slug: "not-offered" });
    const several = step("parts", "choices", { list: "parts" });
    expect(fault(one, several, ["nt00", "dts"], {})).toBeNull();
    expect(fault(one, several, ["nt00", "other"], {})).toEqual({ slug: "not-offered" });
  });
});

describe("what is wrong with an answer", () => {
  const volts = step("volts", "number", {
    required: true, constraint: ["and", [">=", ["self"], 0], ["<", ["self"], 500]], constraint_message: label("0…500 V"),
    normal: [198, 242],
  });
  const one = guide([volts]);

  test("a required step needs one", () => {
    expect(fault(one, volts, undefined, {})).toEqual({ slug: "required" });
    expect(fault(one, step("t", "text", { required: true }), "", {})).toEqual({ slug: "required" });
    expect(fault(one, step("t", "tick", { required: true }), false, {})).toEqual({ slug: "required" });
    expect(fault(one, step("t", "text"), undefined, {})).toBeNull();
  });

  test("a number is a number, and whole where it must be", () => {
    expect(fault(one, volts, "230", {})).toEqual({ slug: "not-a-number" });
    expect(fault(one, volts, NaN, {})).toEqual({ slug: "not-a-number" });
    expect(fault(one, step("n", "number", { integer: true }), 1.5, {})).toEqual({ slug: "not-whole" });
    expect(fault(one, step("n", "number"), 0, {})).toBeNull();
  });

  test("a constraint speaks with the guide's own words", () => {
    expect(fault(one, volts, 500, {})).toEqual({ slug: "constraint", message: label("0…500 V") });
    expect(fault(one, volts, 230, {})).toBeNull();
  });

  test("outside the normal range is unusual, and no fault", () => {
    expect(fault(one, volts, 120, {})).toBeNull();
    expect([unusual(volts, 120), unusual(volts, 230), unusual(volts, undefined)]).toEqual([true, false, false]);
  });

  test("a pattern this phone cannot follow stops nobody", () => {
    expect(fault(one, step("t", "text", { constraint: ["regex", ["self"], "(?=a)b"] }), "x", {})).toBeNull();
  });
});

describe("how far a visit is", () => {
  const steps = [
    step("hello", "note"), step("safe", "tick", { required: true }), step("remark", "text"),
    step("before", "photo", { required: true }), step("volts", "number", { required: true }), step("end", "text"),
  ];
  const one = guide(steps);

  test("the first step that asks comes first; notes ask nothing", () => {
    expect(next(one, null)?.id).toBe("safe");
    expect(progress(one, null)).toMatchObject({ done: 0, total: 5 });
  });

  test("photos answer their step, and a reason answers what cannot be done", () => {
    const here = visit({ safe: true }, { photos: [moment({ sha256: "ab", step: "before" })] });
    here.answers!["volts"] = moment({ cannot_reason: "表箱锁闭" });
    expect(progress(one, here)).toEqual({ done: 3, total: 5, missing: [] });
    expect(answersOf(here)).toEqual({ safe: true, before: "ab" });
    expect(next(one, here)?.id).toBe("end");
  });

  test("what may be left out is not asked again once the work went on, what is required is", () => {
    expect(next(one, visit({ safe: true }))?.id).toBe("remark");
    expect(next(one, visit({ safe: true, volts: 230 }))?.id).toBe("before");
    expect(next(one, visit({ safe: true, volts: 230, end: "x" }))?.id).toBe("before");
    expect(progress(one, visit({ safe: true, volts: 230 })).missing.map((each) => each.id)).toEqual(["before"]);
  });

  test("nothing is next when everything is settled", () => {
    const here = visit({ safe: true, volts: 230, end: "x" }, { photos: [moment({ sha256: "ab", step: "before" })] });
    expect(next(one, here)).toBeNull();
  });
});

describe("which guide it is", () => {
  const any = guide([], { guide: "any", kinds: ["fault_repair"], version: 1 });
  const fuse = guide([], { guide: "fuse", kinds: ["fault_repair"], causes: ["fuse"], version: 1 });
  const newer = guide([], { guide: "fuse", kinds: ["fault_repair"], causes: ["fuse"], version: 2 });
  const meter = guide([], { guide: "meter", kinds: ["metering_fault"] });

  test("kind decides, a cause decides before, and the newest version counts", () => {
    const all = [any, fuse, newer, meter];
    expect(matching(all, { kind: "fault_repair" })).toBe(any);
    expect(matching(all, { kind: "fault_repair", cause: "fuse" })).toBe(newer);
    expect(matching(all, { kind: "fault_repair", fault_class: "fuse" })).toBe(newer);
    expect(matching(all, { kind: "complaint" })).toBeNull();
  });

  test("a version that was replaced is taken only where a visit began with it", () => {
    const old = { ...fuse, superseded: true };
    expect(matching([old, newer], { kind: "fault_repair", cause: "fuse" })).toBe(newer);
    const begun: Visit = { members: [], answers: {
      late: moment({ guide: "fuse", guide_version: 2, value: 1 }),
      first: { ...moment({ guide: "fuse", guide_version: 1, value: 1 }), at: 0 },
    } };
    expect(pinned(begun, [old, newer])).toBe(old);
    expect(pinned(begun, [newer])).toBeNull();
    expect(pinned(null, [newer])).toBeNull();
  });
});
