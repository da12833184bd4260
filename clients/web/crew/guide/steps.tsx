// One kind of step each: how it asks, and what one tap saves. Tick and choice need one tap; the rest need a value first.

import check from "lucide-static/icons/check.svg?raw";
import chevron from "lucide-static/icons/chevron-right.svg?raw";
import type { FunctionComponent } from "preact";
import { useState } from "preact/hooks";
import { answersOf, type Fault, fault, isSettled, offered, unusual } from "../../core/guide";
import type { AnswerValue, Step, StepType } from "../../core/types";
import { Button, LinkButton, usePress } from "../../ui/button";
import { Choices } from "../../ui/choice";
import { Field } from "../../ui/field";
import { Icon } from "../../ui/icon";
import { useCamera } from "../camera/useCamera";
import { moment } from "../format";
import { useScan } from "../camera/useScan";
import { now, useLive } from "../session";
import { both, t } from "../words";
import { answer, following, type GuidedJob, lastNumber, moveOn, stepAddress, stepsOf } from "./job";
import { type Key, numberOf, pressed, suggestions } from "./keypad";
import { Keypad } from "./Keypad";
import { type AtStep, StepPage } from "./StepPage";
import { useSignature } from "./useSignature";
import { Wrong } from "./Wrong";

export const STEPS: Record<StepType, FunctionComponent<AtStep>> = {
  tick: TickStep, choice: ChoiceStep, choices: ChoicesStep, number: NumberStep, text: TextStep, photo: PhotoStep,
  scan: ScanStep, signature: SignatureStep, note: NoteStep,
};

function TickStep({ job, step }: AtStep) {
  const save = () => answer(job, step, { value: true });
  const ticked = job.visit?.answers?.[step.id]?.["value"] === true;
  const tick = <Button look="primary" icon={check} onPress={save} testid="tick">{t("guide-tick")}</Button>;
  return <StepPage job={job} step={step} primary={ticked ? <Onward job={job} step={step} /> : tick} />;
}

function NoteStep({ job, step }: AtStep) {
  return <StepPage job={job} step={step} primary={<Onward job={job} step={step} />} />;
}

/** On, without an answer. */
function Onward({ job, step }: AtStep) {
  const next = stepAddress(job.view.id, following(job, step.id));
  const words = step.type === "note" ? "guide-read" : "guide-next";
  return <LinkButton look="primary" href={next} testid="onward">{t(words)}</LinkButton>;
}

function ChoiceStep({ job, step }: AtStep) {
  const given = job.visit?.answers?.[step.id]?.["value"];
  return (
    <StepPage job={job} step={step}>
      <ul class="stack" data-testid="choices">
        {offered(job.guide, step, answersOf(job.visit)).map((choice) => (
          <li key={choice.name}>
            <ChoiceRow
              label={both(choice.label)} name={choice.name} given={given === choice.name}
              onPress={() => answer(job, step, { value: choice.name })}
            />
          </li>
        ))}
      </ul>
    </StepPage>
  );
}

interface ChoiceRowProps { label: string; name: string; given: boolean; onPress: () => unknown }

/** A row whose tap is the answer. */
function ChoiceRow({ label, name, given, onPress }: ChoiceRowProps) {
  const { busy, press } = usePress(onPress);
  return (
    <button
      type="button" class={`choice-row ${given ? "given-row" : ""}`} aria-busy={busy} data-value={name} data-primary=""
      onClick={press}
    >
      <span class="grow">{label}</span>
      <Icon of={given ? check : chevron} />
      {given && <span class="unseen">{t("guide-state-done")}</span>}
    </button>
  );
}

function ChoicesStep({ job, step }: AtStep) {
  const given = job.visit?.answers?.[step.id]?.["value"];
  const [picked, setPicked] = useState<string[]>(Array.isArray(given) ? given.map(String) : []);
  const [wrong, save] = useChecked(job, step);
  const rows = offered(job.guide, step, answersOf(job.visit));
  const inOrder = rows.map((row) => row.name).filter((name) => picked.includes(name));
  const options = rows.map((row) => ({ value: row.name, label: both(row.label) }));
  const words = t("guide-save-count", { count: inOrder.length });
  const primary = <Button look="primary" onPress={() => save(inOrder)} testid="save">{words}</Button>;
  return (
    <StepPage job={job} step={step} primary={primary}>
      <Choices hideLabel label={both(step.label)} value={picked} onChange={setPicked} options={options} />
      <Wrong text={wrong} />
    </StepPage>
  );
}

function TextStep({ job, step }: AtStep) {
  const [text, setText] = useState(() => String(job.visit?.answers?.[step.id]?.["value"] ?? ""));
  const [wrong, save] = useChecked(job, step);
  const primary = <Button look="primary" onPress={() => save(text.trim())} testid="save">{t("guide-save")}</Button>;
  return (
    <StepPage job={job} step={step} primary={primary}>
      <Field
        kind="text" label={t("guide-text")} value={text} onInput={setText} maxLength={2000} fault={wrong ?? undefined}
        testid="text"
      />
    </StepPage>
  );
}

function NumberStep({ job, step }: AtStep) {
  const [text, setText] = useState("");
  const [doubted, setDoubted] = useState<number | null>(null);
  const [wrong, save, clear] = useChecked(job, step);
  const { view, visit } = job;
  const last = useLive(async (phone) => lastNumber(await phone.tickets(), view, visit, step.id), [view.id, step.id]);
  const value = numberOf(text);
  const type = (key: Key) => {
    clear();
    setText((before) => pressed(before, key, step.integer));
  };
  const keep = (number: number | null) => {
    if (number !== null && unusual(step, number) && doubted !== number) return setDoubted(number);
    return save(number ?? undefined);
  };
  const sure = doubted !== null && doubted === value;
  // What is pressed, and what is wrong with it, stand right above the keys: the page above may be scrolled.
  const keys = (
    <>
      <Entry text={text} step={step} onKey={type} />
      {sure && <p class="really" role="alert" data-testid="really">{t("guide-really", { value, unit: step.unit ?? "" })}</p>}
      <Wrong text={wrong} />
      <Keypad onKey={type} onEnter={() => void keep(value)} point={!step.integer} />
      <Button look="primary" onPress={() => keep(value)} testid="save">{primaryWord(value, sure, step)}</Button>
    </>
  );
  return (
    <StepPage job={job} step={step} primary={keys}>
      <div class="known">
        <Range step={step} last={last ? { value: Number(last["value"]), at: last.at } : null} />
        <Suggested values={suggestions(step, last ? Number(last["value"]) : null)} step={step} onPick={keep} />
      </div>
    </StepPage>
  );
}

/** What was pressed so far, and the sign where it may be one. */
function Entry({ text, step, onKey }: { text: string; step: Step; onKey: (key: Key) => void }) {
  const signed = !step.normal || step.normal[0] < 0;
  return (
    <div class="entry">
      {signed && (
        <button type="button" class="key" data-key="-" aria-label={t("keypad-minus")} onClick={() => onKey("-")}>±</button>
      )}
      <output aria-label={t("guide-entry")} data-testid="entry">{text.replace("-", "−") || "–"}</output>
      {step.unit && <span class="unit">{step.unit}</span>}
    </div>
  );
}

function primaryWord(value: number | null, sure: boolean, step: Step): string {
  if (value === null) return t("guide-save");
  return t(sure ? "guide-really-yes" : "guide-save-value", { value: String(value), unit: step.unit ?? "" });
}

/** The normal range and the value of last time. */
function Range({ step, last }: { step: Step; last: { value: number; at: number } | null }) {
  const unit = step.unit ?? "";
  if (!step.normal && !last) return null;
  return (
    <p class="range" data-testid="range">
      {step.normal && <span>{t("guide-normal", { low: String(step.normal[0]), high: String(step.normal[1]), unit })}</span>}
      {last && (
        <span data-testid="last">
          {t("guide-last", { value: String(last.value), unit, when: moment(last.at, now.peek()) })}
        </span>
      )}
    </p>
  );
}

function Suggested({ values, step, onPick }: { values: number[]; step: Step; onPick: (value: number) => unknown }) {
  if (!values.length) return null;
  return (
    <div class="suggested" role="group" aria-label={t("guide-suggested")}>
      {values.map((value) => (
        <Button key={value} onPress={() => onPick(value)} testid={`suggest-${value}`}>{`${value} ${step.unit ?? ""}`}</Button>
      ))}
    </div>
  );
}

/** A photo is its own answer: one tap, and the next step stands there with the camera still running. */
function PhotoStep({ job, step }: AtStep) {
  const ticket = job.view.id;
  const next = stepAddress(ticket, following(job, step.id));
  const onward = <LinkButton look="plain" href={next} testid="go-on">{t("guide-next")}</LinkButton>;
  const camera = useCamera({
    ticket, step: step.id, shows: step.shows, label: both(step.label), onDone: () => moveOn(job, step),
    aside: isSettled(step, job.visit) && onward,
  });
  return (
    <StepPage job={job} step={step} primary={camera.controls} bare={camera.doubtful}>
      {!camera.doubtful && <Shots job={job} step={step} />}
      {camera.finder}
    </StepPage>
  );
}

/** Every photo this guide asks for: which are there, which is being taken. */
function Shots({ job, step }: AtStep) {
  const shots = stepsOf(job).filter((one) => one.type === "photo");
  if (shots.length < 2) return null;
  return (
    <ul class="shots" aria-label={t("camera-shots")} data-testid="shots">
      {shots.map((shot) => (
        <li key={shot.id} aria-current={shot.id === step.id ? "step" : undefined}>
          {isSettled(shot, job.visit) && <><Icon of={check} /><span class="unseen">{t("guide-state-done")} </span></>}
          {both(shot.label)}
        </li>
      ))}
    </ul>
  );
}

function SignatureStep({ job, step }: AtStep) {
  const pad = useSignature({ ticket: job.view.id, step: step.id, onDone: () => moveOn(job, step) });
  return <StepPage job={job} step={step} primary={pad.controls}>{pad.paper}</StepPage>;
}

function ScanStep({ job, step }: AtStep) {
  const [wrong, save] = useChecked(job, step);
  const scan = useScan({ expected: job.view.meter_asset_no, wrong, onSave: save });
  return <StepPage job={job} step={step} primary={scan.controls}>{scan.finder}</StepPage>;
}

type Checked = [wrong: string | null, save: (value: AnswerValue | undefined) => unknown, clear: () => void];

/** Save an answer unless the guide finds fault with it; then say so in its own sentence. */
function useChecked(job: GuidedJob, step: Step): Checked {
  const [wrong, setWrong] = useState<Fault | null>(null);
  const save = (value: AnswerValue | undefined) => {
    const empty = value === undefined || value === "" || (Array.isArray(value) && !value.length);
    const found: Fault | null = empty ? { slug: "required" } : fault(job.guide, step, value, answersOf(job.visit));
    setWrong(found);
    if (found) return undefined;
    return answer(job, step, { value: value!, ...(typeof value === "number" && step.unit ? { unit: step.unit } : {}) });
  };
  return [wrong && (wrong.message ? both(wrong.message) : t(`guide-fault-${wrong.slug}`)), save, () => setWrong(null)];
}
