// "Can't do, and why": on every step, so that nobody has to invent an answer.

import { useState } from "preact/hooks";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { Field } from "../../ui/field";
import { Sheet } from "../../ui/sheet";
import { both, t } from "../words";
import { answer } from "./job";
import { chipsOf, REASON_WORDS_MAX, reasonOf } from "./reason";
import type { AtStep } from "./StepPage";
import { Wrong } from "./Wrong";

const REASONS = ["absent", "no-access", "unsafe", "customer", "damaged", "no-tool", "no-phone", "weather"] as const;

export function CannotSheet({ job, step, onClose }: AtStep & { onClose: () => void }) {
  const [chip, setChip] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [asked, setAsked] = useState(false);
  const reason = reasonOf("cannot", chip, text);
  const save = async () => {
    if (!reason) return setAsked(true);
    if (await answer(job, step, { cannot_reason: reason })) onClose();
  };
  return (
    <Sheet title={t("cannot-title")} onClose={onClose} testid="cannot-sheet">
      <p>{both(step.label)}</p>
      {step.safety && <Banner tone="look">{t("cannot-safety")}</Banner>}
      <Choice chips label={t("cannot-why")} value={chip} onChange={setChip} options={chipsOf("cannot", REASONS)} />
      <Field
        kind="text" label={t("cannot-text")} value={text} onInput={setText} maxLength={REASON_WORDS_MAX} testid="cannot-text"
      />
      <Wrong text={asked && !reason && t("cannot-nothing")} />
      <Button wide onPress={onClose}>{t("cancel")}</Button>
      <Button look="primary" onPress={save} testid="cannot-save">{t("cannot-save")}</Button>
    </Sheet>
  );
}
