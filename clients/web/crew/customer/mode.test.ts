import { describe, expect, test } from "vitest";
import {
  ASK_AFTER_MS, LEAVE_AFTER_MS, answerOf, begin, next, resumed, wantsReason, type Draft, type Event, type Level, type Mode,
} from "./mode";

/** A clock that is moved by hand, and a mode that hears of every second of it as the screen does. */
class Table {
  now = 1000;
  mode: Mode = begin(this.now);
  say(...events: Event[]): this {
    for (const event of events) this.mode = next(this.mode, event, this.now);
    return this;
  }
  wait(ms: number): this {
    for (const end = this.now + ms; this.now < end; ) {
      this.now = Math.min(end, this.now + 1000);
      this.say({ type: "ticked" });
    }
    return this;
  }
}
const chose = (overall: number): Event => ({ type: "chose", overall: overall as Level });
const closeOf = (mode: Mode) => (mode.at === "saving" ? mode.close : null);

describe("the question", () => {
  test("nothing is chosen beforehand, and SEND without a choice explains instead of sending", () => {
    const table = new Table();
    expect(table.mode).toMatchObject({ at: "asking", draft: { overall: null } });
    expect(table.say({ type: "send" }).mode).toMatchObject({ at: "asking", asked: true });
    expect(table.say(chose(4)).mode).toMatchObject({ at: "asking", asked: false });
  });

  test("the screen changes only after the answer is written", () => {
    const table = new Table().say(chose(5), { type: "send" });
    expect(table.mode).toMatchObject({ at: "saving", close: { result: "answered" } });
    expect(table.say(chose(1), { type: "lock" }, { type: "send" }).mode).toMatchObject({ at: "saving", draft: { overall: 5 } });
    expect(table.say({ type: "written" }).mode).toEqual({ at: "thanks" });
  });

  test("what follows an answer is identical for every score", () => {
    const after = [1, 2, 3, 4, 5].map((score) => new Table().say(chose(score), { type: "send" }, { type: "written" }).mode);
    expect(new Set(after.map((mode) => JSON.stringify(mode)))).toEqual(new Set(['{"at":"thanks"}']));
  });

  test("reasons are asked only for the two bad levels, and those given before a better choice are not sent", () => {
    const draft = (overall: number): Draft => ({ overall: overall as Level, reasons: ["unclear", "late"], code: " 482913 " });
    expect([1, 2, 3, 4, 5].filter((overall) => wantsReason(draft(overall)))).toEqual([1, 2]);
    expect(answerOf(draft(2))).toEqual({ overall: 2, reasons: ["late", "unclear"], code: "482913" });
    expect(answerOf({ overall: 5, reasons: ["late"], code: "" })).toEqual({ overall: 5 });
  });
});

describe("silence", () => {
  test("after a minute it asks, and a touch lets it go on with the choice kept", () => {
    const table = new Table().say(chose(3)).wait(ASK_AFTER_MS - 1);
    expect(table.mode).toMatchObject({ warned: false });
    expect(table.wait(1).mode).toMatchObject({ at: "asking", warned: true });
    expect(table.say({ type: "touched" }).mode).toMatchObject({ at: "asking", warned: false, draft: { overall: 3 } });
    expect(table.wait(ASK_AFTER_MS - 1).mode).toMatchObject({ warned: false });
  });

  test("after another minute it records abandoned, without the choice that was never sent", () => {
    const table = new Table().say(chose(1)).wait(ASK_AFTER_MS + LEAVE_AFTER_MS);
    expect(table.mode).toMatchObject({ at: "saving", draft: { overall: null }, close: { result: "abandoned" } });
    expect(table.say({ type: "written" }).mode).toEqual({ at: "closed" });
  });

  test("a phone that slept through both minutes records abandoned when it wakes", () => {
    const table = new Table();
    table.now += 3_600_000;
    expect(closeOf(table.say({ type: "ticked" }).mode)).toMatchObject({ result: "abandoned" });
  });

  test("a phone left on the lock does not leave the rating open", () => {
    const table = new Table().say({ type: "lock" }).wait(ASK_AFTER_MS + LEAVE_AFTER_MS);
    expect(closeOf(table.mode)).toMatchObject({ result: "abandoned" });
  });

  test("an answer that could not be written is never thrown away by silence", () => {
    const table = new Table().say(chose(2), { type: "send" }, { type: "failed", slug: "not-saved" }).wait(3_600_000);
    expect(table.mode).toMatchObject({ at: "unsaved", draft: { overall: 2 }, slug: "not-saved" });
    expect(table.say({ type: "retry" }).mode).toMatchObject({ at: "saving", draft: { overall: 2 } });
  });
});

describe("the way out", () => {
  test("leads only through the lock", () => {
    const end: Event = { type: "end", result: "away", reason: "x" };
    const everything: Event[] = [{ type: "unlocked" }, { type: "back" }, end, { type: "written" }];
    expect(new Table().say(...everything).mode.at).toBe("asking");
    const thanked = new Table().say(chose(5), { type: "send" }, { type: "written" }, ...everything);
    expect(thanked.mode.at).toBe("thanks");
    expect(thanked.say({ type: "lock" }, { type: "unlocked" }).mode.at).toBe("left");
  });

  test("without an answer asks the crew for the reason, records it, and then leaves", () => {
    const table = new Table().say(chose(1), { type: "lock" }, { type: "unlocked" });
    expect(table.mode.at).toBe("taking_back");
    table.say({ type: "end", result: "declined", reason: "no time" });
    expect(table.mode).toMatchObject({ at: "saving", draft: { overall: null } });
    expect(closeOf(table.mode)).toMatchObject({ result: "declined", reason: "no time" });
    expect(table.say({ type: "written" }).mode.at).toBe("left");
  });

  test("back from the lock stands where it stood", () => {
    const table = new Table().say(chose(4), { type: "lock" }, { type: "back" });
    expect(table.mode).toMatchObject({ at: "asking", draft: { overall: 4 } });
  });

  test("after a kill the question comes anew, unless the answer was written", () => {
    expect(resumed(null, 5)).toEqual(begin(5));
    expect(resumed("answered", 5)).toEqual({ at: "thanks" });
    expect(resumed("other", 5)).toEqual({ at: "closed" });
  });
});
