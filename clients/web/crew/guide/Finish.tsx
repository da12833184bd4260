// The last page of a job: what is open, a word on the result, and the one tap that finishes it. Nothing here blocks: what is
// missing is said, and HQ is told by the answers themselves.

import camera from "lucide-static/icons/camera.svg?raw";
import handover from "lucide-static/icons/smile.svg?raw";
import note from "lucide-static/icons/square-pen.svg?raw";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { progress } from "../../core/guide";
import type { Step, TicketView, Visit } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button, Door, LinkButton } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { Field } from "../../ui/field";
import { Sheet } from "../../ui/sheet";
import { Thumbs } from "../camera/Thumb";
import { seconds } from "../format";
import { Page } from "../page";
import { nameOf, TruthWord } from "../parts";
import { go, to } from "../router";
import { record, useLive } from "../session";
import { t } from "../words";
import { FINISH, type GuidedJob, type Job, stepAddress } from "./job";
import { chipsOf, REASON_WORDS_MAX, reasonOf } from "./reason";
import { GuideTitle, StepList } from "./StepPage";
import { Suspended } from "./Suspended";

const RESULTS = ["restored", "repaired", "connected", "temporary", "customer-side", "no-fault"] as const;

export function FinishPage({ job }: { job: GuidedJob }) {
  const { done, total, missing } = progress(job.guide, job.visit);
  return (
    <Ending job={job} title={<GuideTitle at={done} of={total} guide={job.guide} />} missing={missing}>
      <details>
        <summary>{t("guide-steps-title", { done, total })}</summary>
        <StepList job={job} />
      </details>
    </Ending>
  );
}

/** A job without a guide: photos, notes, and the end. */
export function PlainPage({ job }: { job: Job }) {
  return <Ending job={job} title={t("guide-none-title")} missing={[]} />;
}

interface EndingProps { job: Job; title: ComponentChildren; missing: Step[]; children?: ComponentChildren }

function Ending({ job, title, missing, children }: EndingProps) {
  const { view, visit } = job;
  const [asking, setAsking] = useState(false);
  const [result, setResult] = useState<Result>({ chip: null, words: "" });
  const finish = async () => {
    const said = reasonOf("result", result.chip, result.words);
    const done = await record((phone) => phone.finish(view.id, said ? { result: said } : {}));
    if (done) go(to("ticket", view.id, "rate"));
  };
  const primary = visit?.finished
    ? <HandOver view={view} />
    : <FinishButtons view={view} missing={missing} onAsk={() => setAsking(true)} onFinish={finish} />;
  return (
    <Page name="guide" title={title} back={to("ticket", view.id)} primary={primary}>
      <div class="step" data-step={FINISH}>
        <Suspended view={view} />
        {visit?.finished
          ? <Finished visit={visit} view={view} />
          : <ToFinish job={job} missing={missing} result={result} onResult={setResult} />}
        <MorePages view={view} visit={visit} />
        {children}
      </div>
      {asking && <FinishAnyway missing={missing} onClose={() => setAsking(false)} onFinish={finish} />}
    </Page>
  );
}

interface FinishButtonsProps { view: TicketView; missing: Step[]; onAsk: () => void; onFinish: () => unknown }

/** With everything answered one tap finishes; else the first choice is to go back to what is open. */
function FinishButtons({ view, missing: [first], onAsk, onFinish }: FinishButtonsProps) {
  if (!first) return <Button look="primary" onPress={onFinish} testid="finish">{t("guide-finish")}</Button>;
  return (
    <>
      <Button wide onPress={onAsk} testid="finish">{t("guide-finish-open")}</Button>
      <LinkButton look="primary" href={stepAddress(view.id, first)} testid="first-missing">{t("guide-to-missing")}</LinkButton>
    </>
  );
}

interface Result { chip: string | null; words: string }
interface ToFinishProps { job: Job; missing: Step[]; result: Result; onResult: (result: Result) => void }

/** What is open, and what came of the work: a chip, some words, or nothing. */
function ToFinish({ job, missing, result, onResult }: ToFinishProps) {
  return (
    <>
      {missing.length
        ? <Banner tone="look" testid="missing">{t("guide-missing", { count: missing.length })}</Banner>
        : <h2>{t(job.guide ? "guide-ready" : "guide-none-ready")}</h2>}
      {!job.guide && <Banner>{t("guide-none")}</Banner>}
      <Choice
        chips label={t("guide-result")} value={result.chip} onChange={(chip) => onResult({ ...result, chip })}
        options={chipsOf("result", RESULTS)} testid="results"
      />
      <details>
        <summary>{t("guide-result-text")}</summary>
        <Field
          kind="text" label={t("guide-result-words")} value={result.words} onInput={(words) => onResult({ ...result, words })}
          maxLength={REASON_WORDS_MAX}
        />
      </details>
    </>
  );
}

function Finished({ visit, view }: { visit: Visit; view: TicketView }) {
  const truths = useLive((phone) => phone.truths(view.id), [view.id]);
  const { at, by, fact } = visit.finished!;
  const truth = truths?.get(fact);
  return (
    <Banner tone="ok" testid="finished">
      {t("guide-finished", { who: nameOf(by), time: seconds(at) })} {truth && <TruthWord truth={truth} fact={fact} />}
    </Banner>
  );
}

function HandOver({ view }: { view: TicketView }) {
  const href = to("ticket", view.id, "rate");
  return <LinkButton look="primary" icon={handover} href={href} testid="hand-over">{t("guide-hand-over")}</LinkButton>;
}

/** Photos and notes that belong to no step. */
function MorePages({ view, visit }: { view: TicketView; visit: Visit | null }) {
  const truths = useLive((phone) => phone.truths(view.id), [view.id]);
  const photos = (visit?.photos ?? []).filter((photo) => !photo["step"]);
  return (
    <section class="stack">
      <ul class="doors">
        <li><Door href={to("ticket", view.id, "camera")} icon={camera} testid="more-photo">{t("guide-more-photo")}</Door></li>
        <li><Door href={to("ticket", view.id, "note")} icon={note} testid="more-note">{t("guide-more-note")}</Door></li>
      </ul>
      <Thumbs photos={photos} truths={truths} />
      {visit?.notes?.map((moment) => (
        <p class="quoted" key={moment.fact}>
          {String(moment["text"])} <span class="meta">{nameOf(moment.by)} {seconds(moment.at)}</span>
        </p>
      ))}
    </section>
  );
}

function FinishAnyway({ missing, onClose, onFinish }: { missing: Step[]; onClose: () => void; onFinish: () => unknown }) {
  const words = missing.some((step) => step.safety) ? "guide-anyway-safety" : "guide-anyway";
  return (
    <Sheet title={t("guide-anyway-title")} onClose={onClose} testid="finish-anyway">
      <p>{t(words, { count: missing.length })}</p>
      <Button wide onPress={onFinish} testid="finish-confirm">{t("guide-finish-open")}</Button>
      <Button look="primary" onPress={onClose}>{t("guide-back-to-job")}</Button>
    </Sheet>
  );
}
