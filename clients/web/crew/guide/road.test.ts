import { describe, expect, test } from "vitest";
import type { Guide, Moment, Step, TicketView, Visit } from "../../core/types";
import { following, lastNumber, resumption, type GuidedJob } from "./road";

const label = { zh: "", en: "" };
const step = (id: string, type: Step["type"], more: Partial<Step> = {}): Step => ({ id, type, label, required: true, ...more });
const GUIDE: Guide = {
  guide: "g", version: 1, title: label, kinds: [], causes: [], superseded: false,
  choices: { cause: [{ name: "fuse", label }, { name: "wind", label }] },
  steps: [
    step("isolated", "tick", { safety: true }),
    step("hello", "note", { required: false }),
    step("cause", "choice", { list: "cause" }),
    step("fuse", "number", { relevant: ["=", ["ref", "cause"], "fuse"] }),
    step("remark", "text", { required: false }),
    step("after", "photo"),
  ],
};
const moment = (more: Record<string, unknown>, at = 1): Moment => ({ at, fact: `f${at}`, by: "member:chen", ...more });
const job = (answers: Record<string, Moment> = {}, photos: Moment[] = []): GuidedJob =>
  ({ view: { id: "t", state: "working" } as TicketView, guide: GUIDE, visit: { members: [], answers, photos } });
const ticked = { isolated: moment({ value: true }) };

describe("the road through a guide", () => {
  test("begins at its first step, and at the note before the next question when it is taken up again", () => {
    expect(resumption(job())?.id).toBe("isolated");
    expect(resumption(job(ticked))?.id).toBe("hello");
  });

  test("goes over notes, and only over steps that matter after the answers given", () => {
    expect(following(job(ticked), "isolated")?.id).toBe("hello");
    expect(following(job(ticked), "hello")?.id).toBe("cause");
    expect(following(job({ ...ticked, cause: moment({ value: "fuse" }) }), "cause")?.id).toBe("fuse");
    expect(following(job({ ...ticked, cause: moment({ value: "wind" }) }), "cause")?.id).toBe("remark");
  });

  test("comes back to a required step that was left out, but not to an optional one", () => {
    const answers = { cause: moment({ value: "wind" }) };
    expect(following(job(answers, [moment({ step: "after", sha256: "00" })]), "after")?.id).toBe("isolated");
    expect(following(job({ ...ticked, ...answers }, [moment({ step: "after", sha256: "00" })]), "after")).toBeNull();
  });

  test("counts a step that cannot be done as answered", () => {
    expect(following(job({ ...ticked, cause: moment({ cannot_reason: "无法接近" }) }), "hello")?.id).toBe("remark");
  });

  test("does not come back to the step just left, though it is still open", () => {
    expect(following(job({ ...ticked, cause: moment({ value: "wind" }) }), "after")).toBeNull();
  });
});

describe("the value of last time", () => {
  const visit = (value: unknown, at: number): Visit => ({ members: [], answers: { volt: moment({ value }, at) } });
  const ticket = (id: string, visits: Record<string, Visit>, meter?: string): TicketView =>
    ({ id, state: "working", visits, ...(meter ? { meter_asset_no: meter } : {}) });
  const own = visit(231, 9);
  const here = ticket("t", { v2: own }, "M9");
  const before = ticket("u", { v1: visit(226, 5), v0: visit(219, 3) }, "M9");
  const elsewhere = ticket("x", { v8: visit(999, 8) }, "M1");

  test("is the newest number at the same meter, not the one just given here", () => {
    expect(lastNumber([here, before, elsewhere], here, own, "volt")?.["value"]).toBe(226);
  });

  test("is unknown where nobody gave a number, and two tickets without a meter are not the same place", () => {
    const nowhere = ticket("t", { v2: own });
    expect(lastNumber([nowhere, ticket("u", { v1: visit(226, 5) })], nowhere, own, "volt")).toBeNull();
    expect(lastNumber([before], here, null, "ohm")).toBeNull();
  });
});
