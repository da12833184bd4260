// The tickets on the phone with what each asks for: the view, this crew's visit, the next step, the limit, the guide.

import { guideOf, progress } from "../core/guide";
import type { Guide, Phone } from "../core/types";
import { nextOf, openLimit, type Job } from "./next";

/** A job with the guide that goes with it. */
export interface GuidedJob extends Job {
  guide: Guide | null;
}

export async function jobsOf(phone: Phone): Promise<GuidedJob[]> {
  const [views, guides] = await Promise.all([phone.tickets(), phone.guides()]);
  return views.map((view) => jobOf(phone, view, guides));
}

export async function jobOfId(phone: Phone, id: string): Promise<GuidedJob | null> {
  const [view, guides] = await Promise.all([phone.ticket(id), phone.guides()]);
  return view && jobOf(phone, view, guides);
}

function jobOf(phone: Phone, view: Job["view"], guides: readonly Guide[]): GuidedJob {
  const visit = phone.visit(view)?.visit ?? null;
  return { view, visit, next: nextOf(view, visit), limit: openLimit(view, visit), guide: guideOf(guides, view, visit) };
}

/** What the guide asks for, for the one line on a card. */
export function asks(job: GuidedJob): { photos: number; steps: number; done: number } | null {
  if (!job.guide) return null;
  const { done, total } = progress(job.guide, job.visit);
  return { photos: job.guide.steps.filter((one) => one.type === "photo").length, steps: total, done };
}
