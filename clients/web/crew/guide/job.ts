// Working through a guide: read the job, save an answer, and go on once it is durable.

import type { AnswerValue, Phone, Saved, Step } from "../../core/types";
import { go, to } from "../router";
import { record, usePhone } from "../session";
import { following, type GuidedJob, type Job } from "./road";

export { following, type GuidedJob, type Job, lastNumber, photosOf, resumption, stepsOf } from "./road";

/** The last page of a guide, as a step in its address; a step's own id never begins with a tilde. */
export const FINISH = "~finish";

export async function readJob(phone: Phone, ticket: string): Promise<Job | null> {
  const view = await phone.ticket(ticket);
  if (!view) return null;
  return { view, visit: phone.visit(view)?.visit ?? null, guide: await phone.guideFor(view) };
}

export function stepAddress(ticket: string, step: Step | null): string {
  return to("ticket", ticket, "guide", step ? step.id : FINISH);
}

/** Go to what follows, as it stands after the answer just given. */
export async function moveOn(job: GuidedJob, step: Step): Promise<void> {
  const fresh = await readJob(usePhone(), job.view.id);
  const now = fresh?.guide ? { ...fresh, guide: fresh.guide } : job;
  go(stepAddress(job.view.id, following(now, step.id)));
}

export type Answer = { value: AnswerValue; unit?: string } | { cannot_reason: string };

/** Save an answer, and move on once it is durable. */
export async function answer(job: GuidedJob, step: Step, body: Answer): Promise<Saved | null> {
  const { guide, version } = job.guide;
  const about = { guide, guide_version: version, step: step.id, ...(step.safety ? { safety: true } : {}) };
  const done = await record((phone) => phone.answer(job.view.id, { ...about, ...body }));
  if (done) await moveOn(job, step);
  return done;
}
