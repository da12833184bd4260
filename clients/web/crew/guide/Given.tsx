// What was answered to a step so far: the value in words, who gave it and when, and where it is. Answers of another phone of
// the crew stand here too; a further answer is added and the first stays.

import check from "lucide-static/icons/circle-check.svg?raw";
import ban from "lucide-static/icons/ban.svg?raw";
import { useState } from "preact/hooks";
import type { AnswerValue, Moment, Step, Truth, Visit } from "../../core/types";
import { Icon } from "../../ui/icon";
import { Thumbs } from "../camera/Thumb";
import { moment } from "../format";
import { nameOf, TruthWord } from "../parts";
import { now } from "../session";
import { both, t } from "../words";
import { type GuidedJob, photosOf } from "./job";

interface GivenProps { job: GuidedJob; step: Step; visit: Visit | null; truths: Map<string, Truth> | undefined }

export function Given({ job, step, visit, truths }: GivenProps) {
  const answered = visit?.answers?.[step.id];
  const photos = photosOf(visit, step.id);
  if (!answered && !photos.length) return null;
  return (
    <section class="given" aria-label={t("guide-given")} data-testid="given">
      {answered && <GivenAnswer job={job} step={step} answered={answered} truth={truths?.get(answered.fact)} />}
      <Thumbs photos={photos} truths={truths} />
      {photos.length > 0 && <p class="meta">{t("camera-first-stays", { count: photos.length })}</p>}
    </section>
  );
}

interface GivenAnswerProps { job: GuidedJob; step: Step; answered: Moment; truth: Truth | undefined }

function GivenAnswer({ job, step, answered, truth }: GivenAnswerProps) {
  const [today] = useState(now.peek());
  const cannot = answered["cannot_reason"];
  return (
    <p class="given-answer" data-by={answered.by}>
      <Icon of={cannot ? ban : check} />
      <span>
        <strong>{cannot ? t("guide-given-cannot", { reason: String(cannot) }) : valueInWords(job, step, answered)}</strong>
        <span class="quiet"> {nameOf(answered.by)} {moment(answered.at, today)}</span>
      </span>
      {truth && <TruthWord truth={truth} fact={answered.fact} />}
    </p>
  );
}

/** An answer as a person reads it. */
export function valueInWords(job: GuidedJob, step: Step, answered: Moment): string {
  const value = answered["value"] as AnswerValue | undefined;
  if (value === undefined) return "–";
  if (value === false) return t("guide-given-not-done");
  if (value === true || step.type === "tick") return t("guide-given-done");
  if (typeof value === "number") return `${value}${answered["unit"] ? ` ${String(answered["unit"])}` : ""}`;
  return (Array.isArray(value) ? value : [value]).map((name) => choiceInWords(job, step, name)).join(t("list-comma"));
}

function choiceInWords(job: GuidedJob, step: Step, name: string): string {
  const choice = job.guide.choices[step.list ?? ""]?.find((row) => row.name === name);
  return choice ? both(choice.label) : name;
}
