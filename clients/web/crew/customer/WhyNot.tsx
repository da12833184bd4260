// Why there is no answer from the customer: away or refused, with a reason. HQ sees both beside the answers of others.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { Field } from "../../ui/field";
import { chipsOf, REASON_WORDS_MAX, reasonOf } from "../guide/reason";
import { Wrong } from "../guide/Wrong";
import { t } from "../words";

const REASONS = {
  away: ["nobody", "told-by-phone", "left", "public"],
  declined: ["no-time", "unwilling", "cannot-use"],
} as const;
export type Result = keyof typeof REASONS;

/** `children` stand before the button that saves. */
interface WhyNotProps { onSave: (result: Result, reason: string) => unknown; children?: ComponentChildren }

export function WhyNot({ onSave, children }: WhyNotProps) {
  const [result, setResult] = useState<Result | null>(null);
  const [chip, setChip] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [asked, setAsked] = useState(false);
  const reason = reasonOf("why-not", chip, text);
  const save = () => (result && reason ? onSave(result, reason) : setAsked(true));
  const choose = (value: string) => {
    setResult(value as Result);
    setChip(null);
  };
  return (
    <>
      <Choice
        label={t("why-not-which")} value={result} onChange={choose} options={chipsOf("why-not", Object.keys(REASONS))}
        testid="why-not-result"
      />
      {result && (
        <>
          <Choice
            chips label={t("why-not-why")} value={chip} onChange={setChip} options={chipsOf("why-not", REASONS[result])}
            testid="why-not-reason"
          />
          <Field label={t("why-not-text")} value={text} onInput={setText} maxLength={REASON_WORDS_MAX} testid="why-not-text" />
        </>
      )}
      <Wrong text={asked && !(result && reason) && t("why-not-nothing")} />
      {children}
      <Button look="primary" onPress={save} testid="why-not-save">{t("why-not-save")}</Button>
    </>
  );
}
