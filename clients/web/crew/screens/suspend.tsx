// Suspending a job (挂起) with a reason, and going on with it.

import { useState } from "preact/hooks";
import type { TicketView } from "../../core/types";
import { Button } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { Field } from "../../ui/field";
import { chipsOf, REASON_WORDS_MAX, reasonOf } from "../guide/reason";
import { Suspended } from "../guide/Suspended";
import { Wrong } from "../guide/Wrong";
import { Page } from "../page";
import { go, type Place, to } from "../router";
import { record, useLive } from "../session";
import { t } from "../words";
import { NotHere } from "./guide";
import "../job.css";

const REASONS = ["material", "customer", "weather", "permit", "power", "safety", "other-crew"] as const;

export default function SuspendScreen({ ticket = "" }: Place) {
  const view = useLive((phone) => phone.ticket(ticket), [ticket]);
  if (!view) return <NotHere ticket={ticket} found={view} />;
  return view.state === "suspended" ? <GoOn view={view} /> : <Suspend view={view} />;
}

function GoOn({ view }: { view: TicketView }) {
  return <Page name="suspend" title={t("pause-title")} back={to("ticket", view.id)}><Suspended view={view} /></Page>;
}

function Suspend({ view }: { view: TicketView }) {
  const [chip, setChip] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [asked, setAsked] = useState(false);
  const reason = reasonOf("pause", chip, text);
  const save = async () => {
    if (!reason) return setAsked(true);
    if (await record((phone) => phone.suspend(view.id, reason))) go(to("ticket", view.id), { replace: true });
  };
  const primary = (
    <>
      <Wrong text={asked && !reason && t("pause-nothing")} />
      <Button look="primary" onPress={save} testid="suspend-save">{t("pause-save")}</Button>
    </>
  );
  return (
    <Page name="suspend" title={t("pause-title")} back={to("ticket", view.id)} primary={primary}>
      <p>{t("pause-word")}</p>
      <Choice
        chips label={t("pause-why")} value={chip} onChange={setChip} options={chipsOf("pause", REASONS)} testid="suspend-reason"
      />
      <Field
        kind="text" label={t("pause-text")} value={text} onInput={setText} maxLength={REASON_WORDS_MAX} testid="suspend-text"
      />
    </Page>
  );
}
