// The frame of every step: where one is, the step's words, what was answered before and by whom, and the way out: can't do,
// and why.

import ban from "lucide-static/icons/ban.svg?raw";
import check from "lucide-static/icons/check.svg?raw";
import list from "lucide-static/icons/list-checks.svg?raw";
import shield from "lucide-static/icons/shield-alert.svg?raw";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isSettled, progress } from "../../core/guide";
import type { Guide, Step } from "../../core/types";
import { Button, LinkButton } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { Sheet } from "../../ui/sheet";
import { Page } from "../page";
import { to } from "../router";
import { useLive } from "../session";
import { both, t } from "../words";
import { CannotSheet } from "./Cannot";
import { Given } from "./Given";
import { following, type GuidedJob, stepAddress, stepsOf } from "./job";
import { Suspended } from "./Suspended";

export interface AtStep { job: GuidedJob; step: Step }

/** `bare` leaves out what was given before, where something larger needs the room. */
interface StepPageProps extends AtStep { primary?: ComponentChildren; children?: ComponentChildren; bare?: boolean }

export function StepPage({ job, step, primary, children, bare = false }: StepPageProps) {
  const { view, visit } = job;
  const truths = useLive((phone) => phone.truths(view.id), [view.id]);
  useEffect(toTop, [step.id]);
  return (
    <Page name="guide" title={<Where job={job} step={step} />} back={to("ticket", view.id)} primary={primary}>
      <div class={`step kind-${step.type}`} data-step={step.id} data-type={step.type} data-guide={guideName(job.guide)}>
        <Bar job={job} />
        <WaysOut job={job} step={step} />
        <Suspended view={view} />
        {step.safety && <p class="safety-word"><Icon of={shield} /><span>{t("guide-safety")}</span></p>}
        <div>
          <h2 class="step-label">{both(step.label)}</h2>
          {step.hint && <p class="quiet">{both(step.hint)}</p>}
        </div>
        {!bare && <Given job={job} step={step} visit={visit} truths={truths} />}
        {children}
      </div>
    </Page>
  );
}

/** A new step begins at its top; the focus follows when the button that had it is gone. */
function toTop(): void {
  document.querySelector("main")?.scrollTo(0, 0);
  if (document.activeElement === document.body) document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
}

/** "3/6 低压停电抢修": notes have no number of their own. */
function Where({ job, step }: AtStep) {
  const asking = stepsOf(job).filter((one) => one.type !== "note");
  const at = asking.findIndex((one) => one.id === step.id) + 1;
  return <GuideTitle at={at} of={asking.length} guide={job.guide} />;
}

export function GuideTitle({ at, of: whole, guide }: { at: number; of: number; guide: Guide }) {
  return (
    <>
      {at > 0 && <span data-testid="progress">{at}/{whole} </span>}
      <span class="guide-title">{both(guide.title)}</span>
    </>
  );
}

const guideName = ({ guide, version }: Guide): string => `${guide}:${version}`;

/** One part for each step, filled when it is answered; the numbers in the heading say the same. */
function Bar({ job }: { job: GuidedJob }) {
  const asking = stepsOf(job).filter((step) => step.type !== "note");
  const parts = asking.map((step) => <span key={step.id} class={isSettled(step, job.visit) ? "full" : ""} />);
  return <p class="bar" aria-hidden="true">{parts}</p>;
}

/** All steps, can't do, and on without an answer where none is required or one is there. */
function WaysOut({ job, step }: AtStep) {
  const [shown, setShown] = useState<"steps" | "cannot" | null>(null);
  const settled = isSettled(step, job.visit);
  const passable = step.type !== "note" && (settled ? step.type !== "tick" && step.type !== "photo" : !step.required);
  return (
    <>
      <div class="ways-out">
        <Button look="plain" icon={list} onPress={() => setShown("steps")} testid="steps">{t("guide-steps")}</Button>
        {step.type !== "note" && (
          <Button look="plain" icon={ban} onPress={() => setShown("cannot")} testid="cannot">{t("guide-cannot")}</Button>
        )}
        {passable && (
          <LinkButton look="plain" href={stepAddress(job.view.id, following(job, step.id))} testid="pass">
            {t(settled ? "guide-next" : "guide-skip")}
          </LinkButton>
        )}
      </div>
      {shown === "steps" && <StepsSheet job={job} step={step} onClose={() => setShown(null)} />}
      {shown === "cannot" && <CannotSheet job={job} step={step} onClose={() => setShown(null)} />}
    </>
  );
}

function StepsSheet({ job, step, onClose }: AtStep & { onClose: () => void }) {
  const { done, total } = progress(job.guide, job.visit);
  return (
    <Sheet title={t("guide-steps-title", { done, total })} onClose={onClose} testid="steps-sheet">
      <StepList job={job} here={step.id} onLeave={onClose} />
      <Button wide onPress={onClose}>{t("close")}</Button>
    </Sheet>
  );
}

/** Every step shown now, with its state: the way back to any of them. */
export function StepList({ job, here, onLeave }: { job: GuidedJob; here?: string; onLeave?: () => void }) {
  return (
    <ol class="doors">
      {stepsOf(job).map((step) => (
        <li key={step.id}>
          <a
            class="door" href={stepAddress(job.view.id, step)} aria-current={step.id === here ? "step" : undefined}
            data-testid={`step-${step.id}`} onClick={onLeave}
          >
            <StepState job={job} step={step} />
            <span class="grow">{both(step.label)}</span>
            {step.safety && <span class="chip">{t("guide-safety-short")}</span>}
          </a>
        </li>
      ))}
    </ol>
  );
}

function StepState({ job, step }: AtStep) {
  if (step.type === "note") return <span class="step-state" aria-hidden="true">·</span>;
  const cannot = Boolean(job.visit?.answers?.[step.id]?.["cannot_reason"]);
  const state = cannot ? "cannot" : isSettled(step, job.visit) ? "done" : step.required ? "required" : "open";
  return (
    <span class={`step-state ${state}`}>
      {STATE_ICON[state] && <Icon of={STATE_ICON[state]} />}
      <span class="unseen">{t(`guide-state-${state}`)}</span>
    </span>
  );
}

const STATE_ICON: Record<string, string | undefined> = { cannot: ban, done: check };
