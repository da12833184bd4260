// Customer mode as a machine: what the phone shows while it is in the customer's hands, and what a tap or a silence does.
// Pure: time is given, effects are asked for by name. Refuses to know drawings, storage and the choice after it was sent.

/** Silence after which it asks "still there?", and silence after that until the rating is recorded as abandoned. */
export const ASK_AFTER_MS = 60_000;
export const LEAVE_AFTER_MS = 60_000;
/** How long a person must wait on the lock before a forgotten PIN can be replaced. */
export const RESET_AFTER_MS = 300_000;

export type Level = 1 | 2 | 3 | 4 | 5;
/** Why somebody was not satisfied: the same words as on the page of the customer's own phone. */
export const REASONS = ["late", "not_fixed", "manner", "unclear", "mess"] as const;
export type Reason = (typeof REASONS)[number];

/** What the customer has chosen so far. It lives only in memory: a half-given answer must not be readable later. */
export interface Draft { overall: Level | null; reasons: readonly Reason[]; code: string }

/** How it ends; `then` is the screen that follows, which after the crew's own word is none of the customer's. */
export interface Close {
  result: "answered" | "abandoned" | "declined" | "away"; reason?: string;
  then: "thanks" | "closed" | "left";
}

export type Mode =
  /** The five rows. `asked`: SEND was pressed with nothing chosen; `quietSince`: last touch; `warned`: "still there?". */
  | { at: "asking"; draft: Draft; asked: boolean; quietSince: number; warned: boolean }
  /** The answer, or why there is none, is being written. The screen does not change before it is durable. */
  | { at: "saving"; draft: Draft; close: Close }
  /** Writing failed: `slug` says why. Nothing is lost while the screen stands; it can be tried again. */
  | { at: "unsaved"; draft: Draft; close: Close; slug: string }
  /** Written. The same for every answer. */
  | { at: "thanks" }
  /** Written without an answer. */
  | { at: "closed" }
  /** The lock for the crew. `over` is what stands behind it; `openedAt` starts the wait for a reset. */
  | { at: "lock"; over: Mode; openedAt: number }
  /** The crew has the phone back while no answer is written: go on, or say why there is none. */
  | { at: "taking_back"; over: Mode }
  /** Out: the crew's own screens again. */
  | { at: "left" };

export type Event =
  | { type: "chose"; overall: Level } | { type: "gave_reasons"; reasons: readonly Reason[] }
  | { type: "typed_code"; code: string }
  | { type: "touched" } | { type: "ticked" } | { type: "send" } | { type: "retry" }
  | { type: "written" } | { type: "failed"; slug: string }
  | { type: "lock" } | { type: "unlocked" } | { type: "back" } | { type: "end"; result: "declined" | "away"; reason: string };

const EMPTY: Draft = { overall: null, reasons: [], code: "" };
const ANSWERED: Close = { result: "answered", then: "thanks" };
const ABANDONED: Close = { result: "abandoned", then: "closed" };
const BAD: readonly Level[] = [1, 2];

export const begin = (now: number): Mode => ({ at: "asking", draft: EMPTY, asked: false, quietSince: now, warned: false });
/** After a kill: the rating is written already, or it is asked anew (the choice was never kept). */
export const resumed = (written: "answered" | "other" | null, now: number): Mode =>
  written === null ? begin(now) : { at: written === "answered" ? "thanks" : "closed" };

/** Reasons are asked only for the two bad levels. */
export const wantsReason = (draft: Draft): boolean => draft.overall !== null && BAD.includes(draft.overall);

/** What is sealed: nothing that was not asked, and nothing that was left empty. */
export function answerOf(draft: Draft): Record<string, unknown> {
  const code = draft.code.trim();
  const reasons = wantsReason(draft) ? REASONS.filter((reason) => draft.reasons.includes(reason)) : [];
  return {
    overall: draft.overall,
    ...(reasons.length ? { reasons } : {}),
    ...(code ? { code } : {}),
  };
}

/** The mode after an event. What does not fit the mode changes nothing. */
export function next(mode: Mode, event: Event, now: number): Mode {
  switch (mode.at) {
    case "asking": return asking(mode, event, now);
    case "saving": return saving(mode, event);
    case "unsaved": return unsaved(mode, event, now);
    case "thanks":
    case "closed": return event.type === "lock" ? { at: "lock", over: mode, openedAt: now } : mode;
    case "lock": return locked(mode, event, now);
    case "taking_back": return takingBack(mode, event, now);
    case "left": return mode;
  }
}

function asking(mode: Mode & { at: "asking" }, event: Event, now: number): Mode {
  const awake = { ...mode, quietSince: now, warned: false };
  switch (event.type) {
    case "chose": return { ...awake, asked: false, draft: { ...mode.draft, overall: event.overall } };
    case "gave_reasons": return { ...awake, draft: { ...mode.draft, reasons: event.reasons } };
    case "typed_code": return { ...awake, draft: { ...mode.draft, code: event.code } };
    case "touched": return awake;
    case "send":
      return mode.draft.overall === null ? { ...awake, asked: true } : { at: "saving", draft: mode.draft, close: ANSWERED };
    case "lock": return { at: "lock", over: awake, openedAt: now };
    case "ticked": return silence(mode, now);
    default: return mode;
  }
}

function silence(mode: Mode & { at: "asking" }, now: number): Mode {
  const quiet = now - mode.quietSince;
  if (quiet >= ASK_AFTER_MS + LEAVE_AFTER_MS) return { at: "saving", draft: EMPTY, close: ABANDONED };
  return quiet >= ASK_AFTER_MS && !mode.warned ? { ...mode, warned: true } : mode;
}

function saving(mode: Mode & { at: "saving" }, event: Event): Mode {
  if (event.type === "written") return { at: mode.close.then };
  return event.type === "failed" ? { ...mode, at: "unsaved", slug: event.slug } : mode;
}

function unsaved(mode: Mode & { at: "unsaved" }, event: Event, now: number): Mode {
  const { slug: _, ...again } = mode;
  if (event.type === "retry") return { ...again, at: "saving" };
  return event.type === "lock" ? { at: "lock", over: mode, openedAt: now } : mode;
}

/** The lock keeps counting silence for what stands behind it: a phone left on the lock must not leave a rating open. */
function locked(mode: Mode & { at: "lock" }, event: Event, now: number): Mode {
  if (event.type === "ticked" && mode.over.at === "asking") {
    const quiet = silence(mode.over, now);
    return quiet.at === "saving" ? quiet : mode;
  }
  if (event.type === "back") return mode.over.at === "asking" ? { ...mode.over, quietSince: now, warned: false } : mode.over;
  if (event.type !== "unlocked") return mode;
  return mode.over.at === "thanks" || mode.over.at === "closed" ? { at: "left" } : { at: "taking_back", over: mode.over };
}

function takingBack(mode: Mode & { at: "taking_back" }, event: Event, now: number): Mode {
  if (event.type === "back") return mode.over.at === "asking" ? { ...mode.over, quietSince: now, warned: false } : mode.over;
  if (event.type !== "end") return mode;
  return { at: "saving", draft: EMPTY, close: { result: event.result, reason: event.reason, then: "left" } };
}
