// What a crew does next with a ticket, and which ticket first: pure readings of views, no storage and no words.

import type { Limit, Moment, TicketView, Visit } from "../core/types";

/** The one step that is next: 接单 → 出发 → 我到了 → 开始 → 继续作业 → 请客户评价. */
export type Next = "accept" | "depart" | "arrive" | "start" | "work" | "resume" | "rate" | "none";

const CLOSED = new Set(["completed", "callback", "archived", "cancelled", "merged", "returned"]);
/** What is under way comes before everything that is not begun. */
const UNDER_WAY: readonly Next[] = ["work", "start", "arrive"];

/** Whether nothing more is to be done here by this crew. */
export function isClosed(view: TicketView): boolean {
  return Boolean(view.gone) || view.handled !== undefined || CLOSED.has(view.state);
}

/** `visit` is this crew's own, or null before the first. */
export function nextOf(view: TicketView, visit: Visit | null): Next {
  const asked = view.gone || view.state === "cancelled" || view.state === "reopened" || ratedByOwnPhone(view);
  if (visit?.finished && !visit.rating && !asked) return "rate";
  if (isClosed(view)) return "none";
  if (view.state === "suspended") return "resume";
  if (!visit || visit.finished || visit.returned) return "accept";
  if (visit.started || visit.answers) return "work";
  if (visit.arrived) return "start";
  if (visit.departed) return "arrive";
  return visit.accepted ? "depart" : "accept";
}

/** The customer's own phone was faster, and HQ has said so. */
export function ratedByOwnPhone(view: TicketView): boolean {
  return view.own_ratings?.[`${view.id}:${view.fence}`] !== undefined;
}

/** The open limit that a crew works against: its arrival, and after that what is due first. */
export function openLimit(view: TicketView, visit: Visit | null): Limit | null {
  const open = (view.limits ?? []).filter(
    (limit) => limit.verdict === null && limit.name !== "callback" && limit.name !== "to_crew",
  );
  const arrival = visit?.arrived ? undefined : open.find((limit) => limit.name === "arrive");
  const others = open.filter((limit) => limit.name !== "arrive" && !(limit.name === "accept" && visit?.accepted));
  return arrival ?? others.sort((one, two) => one.due[0] - two.due[0])[0] ?? null;
}

/** Nobody is hurried on the road: no countdown between departure and arrival. */
export function isDriving(visit: Visit | null): boolean {
  return Boolean(visit?.departed && !visit.arrived && !visit.finished && !visit.returned);
}

export interface Job {
  view: TicketView;
  visit: Visit | null;
  next: Next;
  limit: Limit | null;
}

/** Open jobs, the one to do first; and those that are done, the newest first. */
export function ordered(jobs: readonly Job[]): { open: Job[]; done: Job[] } {
  const open = jobs.filter((job) => job.next !== "none" && job.next !== "rate");
  const unrated = jobs.filter((job) => job.next === "rate");
  const done = jobs.filter((job) => job.next === "none" && !job.view.gone);
  return { open: [...open.sort(byUrgency), ...unrated], done: done.sort((one, two) => endOf(two) - endOf(one)) };
}

function byUrgency(one: Job, two: Job): number {
  return (
    rank(one) - rank(two) ||
    dueOf(one) - dueOf(two) ||
    (one.view.priority ?? 9) - (two.view.priority ?? 9) ||
    (one.view.received_at ?? 0) - (two.view.received_at ?? 0)
  );
}

function rank(job: Job): number {
  const place = UNDER_WAY.indexOf(job.next);
  if (place >= 0) return place;
  return job.next === "resume" ? UNDER_WAY.length + 1 : UNDER_WAY.length;
}

function dueOf(job: Job): number {
  return job.limit?.due[0] ?? Number.MAX_SAFE_INTEGER;
}

function endOf(job: Job): number {
  return job.visit?.finished?.at ?? job.visit?.returned?.at ?? job.view.closing?.at ?? 0;
}

/** The five steps of a job with the fact that says each is done. */
export const STEPS = ["accepted", "departed", "arrived", "started", "finished"] as const;

export function momentOf(visit: Visit | null, step: (typeof STEPS)[number]): Moment | undefined {
  return visit?.[step];
}
