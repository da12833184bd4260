// The road through a guide: where a job is taken up again, what follows a step, what was given to it before.
// What is shown, asked and wrong is decided by core/guide.ts. Pure.

import { answersOf, isSettled, next, visibleSteps } from "../../core/guide";
import type { Guide, Moment, Step, TicketView, Visit } from "../../core/types";

/** One job as the guide's screens need it. */
export interface Job { view: TicketView; visit: Visit | null; guide: Guide | null }
export type GuidedJob = Job & { guide: Guide };

export const stepsOf = (job: GuidedJob): Step[] => visibleSteps(job.guide, answersOf(job.visit));

/** Where a job is taken up again: the notes before the next question, the question, or null when only finishing is left. */
export function resumption(job: GuidedJob): Step | null {
  const question = next(job.guide, job.visit);
  if (!question) return null;
  const steps = stepsOf(job);
  let at = steps.findIndex((step) => step.id === question.id);
  while (at > 0 && steps[at - 1]!.type === "note") at -= 1;
  return steps[at]!;
}

/** What follows a step: the next note or open question behind it, then what is required and still open, then the last page. */
export function following(job: GuidedJob, id: string): Step | null {
  const steps = stepsOf(job);
  const at = steps.findIndex((step) => step.id === id);
  const behind = steps.slice(at + 1).find((step) => step.type === "note" || !isSettled(step, job.visit));
  const missing = steps.find((step) => step.required && step.type !== "note" && step.id !== id && !isSettled(step, job.visit));
  return behind ?? missing ?? null;
}

/** The photos of a step, oldest first. */
export function photosOf(visit: Visit | null, step: string | undefined): Moment[] {
  return (visit?.photos ?? []).filter((photo) => photo["step"] === step);
}

/** The newest number given to this step elsewhere at the same customer, or null when this phone knows none. */
export function lastNumber(views: readonly TicketView[], here: TicketView, own: Visit | null, step: string): Moment | null {
  const given = views.filter((view) => view.id === here.id || isSamePlace(view, here))
    .flatMap((view) => Object.values(view.visits ?? {}))
    .map((visit) => visit.answers?.[step])
    .filter((moment): moment is Moment => typeof moment?.["value"] === "number" && moment.fact !== own?.answers?.[step]?.fact);
  return given.sort((one, two) => two.at - one.at)[0] ?? null;
}

function isSamePlace(one: TicketView, two: TicketView): boolean {
  const keys = ["meter_asset_no", "account_no"] as const;
  return keys.some((key) => Boolean(one[key]) && one[key] === two[key]);
}
