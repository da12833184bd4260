// The question: five rows from very satisfied to very dissatisfied, none chosen beforehand, and SEND, which explains when
// nothing is.

import { useId } from "preact/hooks";
import { Field } from "../../ui/field";
import { Choices } from "../../ui/choice";
import { Button } from "../../ui/button";
import { nameOf } from "../parts";
import { useLive } from "../session";
import { language, say, t, word } from "../words";
import { Face } from "./Face";
import { chipsOf } from "../guide/reason";
import { Wrong } from "../guide/Wrong";
import { Frame, LockButton } from "./CustomerMode";
import type { Held } from "./held";
import { type Event, type Level, type Mode, REASONS, type Reason, wantsReason } from "./mode";

const LEVELS: readonly Level[] = [5, 4, 3, 2, 1];

interface AskingProps { mode: Mode & { at: "asking" }; held: Held; tell: (event: Event) => void }

export function Asking({ mode: { draft, asked }, held, tell }: AskingProps) {
  const view = useLive((phone) => phone.ticket(held.ticket), [held.ticket]);
  const crew = view?.visits?.[held.opened.visit ?? ""]?.crew ?? view?.assigned_crew;
  const other = language.value === "zh" ? "en" : "zh";
  return (
    <Frame title={t("rating-title")} primary={<Send ready={draft.overall !== null} asked={asked} tell={tell} />}>
      <div>
        <p class="quiet" lang={other === "zh" ? "zh-CN" : "en"}>{say(other, "rating-title")}</p>
        <p class="quiet">{[crew && nameOf(crew), view?.kind && word("kind", view.kind)].filter(Boolean).join(" · ")}</p>
        <p>{t("rating-private")}</p>
      </div>
      <Levels chosen={draft.overall} onChoose={(overall) => tell({ type: "chose", overall })} />
      {wantsReason(draft) && (
        <Choices
          chips label={t("rating-why")} value={[...draft.reasons]} options={chipsOf("rating-reason", REASONS)} testid="reasons"
          onChange={(reasons) => tell({ type: "gave_reasons", reasons: reasons as Reason[] })}
        />
      )}
      <details>
        <summary>{t("rating-code-have")}</summary>
        <Field
          kind="code" label={t("rating-code")} value={draft.code} onInput={(code) => tell({ type: "typed_code", code })}
          maxLength={8} testid="code"
        />
      </details>
      <LockButton tell={tell} />
    </Frame>
  );
}

function Levels({ chosen, onChoose }: { chosen: Level | null; onChoose: (level: Level) => void }) {
  const name = useId();
  return (
    <fieldset class="levels" data-testid="levels">
      <legend class="unseen">{t("rating-title")}</legend>
      {LEVELS.map((level) => (
        <label key={level} class="option level" data-level={level}>
          <input type="radio" name={name} value={level} checked={chosen === level} onChange={() => onChoose(level)} />
          <Face level={level} />
          <span>{t(`rating-level-${level}`)}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Send({ ready, asked, tell }: { ready: boolean; asked: boolean; tell: (event: Event) => void }) {
  return (
    <>
      <Wrong text={asked && t("rating-choose-first")} />
      <div class={ready ? "" : "unready"}>
        <Button look="primary" onPress={() => tell({ type: "send" })} testid="send">{t("rating-send")}</Button>
      </div>
    </>
  );
}
