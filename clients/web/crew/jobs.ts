// The tickets on the phone with what each asks for: the view, this crew's visit, the next step, the limit, the guide.

import { progress } from "../core/guide";
import type { Guide, Phone } from "../core/types";
import { nextOf, openLimit, type Job } from "./next";

/** A job with the guide that goes with it. */
export interface GuidedJob extends Job {
  guide: Guide | null;
}

export async function jobsOf(phone: Phone): Promise<GuidedJob[]> {
  const views = await phone.tickets();
  return Promise.all(views.map(async (view) => withGuide(phone, jobOf(phone, view))));
}

export async function jobOfId(phone: Phone, id: string): Promise<GuidedJob | null> {
  const view = await phone.ticket(id);
  return view ? withGuide(phone, jobOf(phone, view)) : null;
}

function jobOf(phone: Phone, view: Job["view"]): Job {
  const visit = phone.visit(view)?.visit ?? null;
  return { view, visit, next: nextOf(view, visit), limit: openLimit(view, visit) };
}

async function withGuide(phone: Phone, job: Job): Promise<GuidedJob> {
  return { ...job, guide: await phone.guideFor(job.view) };
}

/** What the guide asks for, for the one line on a card. */
export function asks(job: GuidedJob): { photos: number; steps: number; done: number } | null {
  if (!job.guide) return null;
  const { done, total } = progress(job.guide, job.visit);
  return { photos: job.guide.steps.filter((one) => one.type === "photo").length, steps: total, done };
}
