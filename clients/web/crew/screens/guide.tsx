// The work guide (作业指导卡): one step a screen, taken up where it was left, and at the end the page that finishes the job.

import { Banner } from "../../ui/banner";
import type { Place } from "../router";
import { to } from "../router";
import { Page } from "../page";
import { useLive } from "../session";
import { t } from "../words";
import { FINISH, type GuidedJob, readJob, resumption } from "../guide/job";
import { FinishPage, PlainPage } from "../guide/Finish";
import { STEPS } from "../guide/steps";
import "../job.css";

export default function GuideScreen({ ticket = "", step }: Place) {
  const job = useLive((phone) => readJob(phone, ticket), [ticket]);
  if (!job) return <NotHere ticket={ticket} found={job} />;
  return job.guide ? <Guided job={{ ...job, guide: job.guide }} at={step} /> : <PlainPage job={job} />;
}

function Guided({ job, at }: { job: GuidedJob; at: string | undefined }) {
  // A step asked for by name stands even while the copy on screen is one answer too old to call it relevant.
  const asked = job.guide.steps.find((step) => step.id === at);
  const step = asked ?? (at === FINISH ? null : resumption(job));
  if (!step) return <FinishPage job={job} />;
  const Kind = STEPS[step.type] ?? STEPS.note;
  // Photos in a row share one running camera; every other step begins anew.
  return <Kind key={step.type === "photo" ? "photo" : step.id} job={job} step={step} />;
}

/** While the ticket is read, and when this phone does not have it. */
export function NotHere({ ticket, found }: { ticket: string; found: null | undefined }) {
  return (
    <Page name="guide" title={t("guide-title")} back={to("ticket", ticket)}>
      {found === null ? <Banner tone="look">{t("job-not-here")}</Banner> : <p role="status">{t("loading")}</p>}
    </Page>
  );
}
