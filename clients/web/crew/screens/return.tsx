// Returning a job to the office (退回) with one of four reasons. What was recorded on the way stays and counts.

import { useState } from "preact/hooks";
import { Button } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { Field } from "../../ui/field";
import { chipsOf } from "../guide/reason";
import { Wrong } from "../guide/Wrong";
import { Page } from "../page";
import { go, type Place, to } from "../router";
import { record, useLive } from "../session";
import { t } from "../words";
import { NotHere } from "./guide";
import "../job.css";

const REASONS = ["wrong_specialty", "not_as_described", "no_access", "other"] as const;
type Reason = (typeof REASONS)[number];

export default function ReturnScreen({ ticket = "" }: Place) {
  const view = useLive((phone) => phone.ticket(ticket), [ticket]);
  const [reason, setReason] = useState<Reason | null>(null);
  const [text, setText] = useState("");
  const [asked, setAsked] = useState(false);
  if (!view) return <NotHere ticket={ticket} found={view} />;
  const words = text.trim();
  const missing = !reason ? "return-choose" : reason === "other" && !words ? "return-say" : null;
  const save = async () => {
    if (!reason || missing) return setAsked(true);
    const done = await record((phone) => phone.giveBack(ticket, { reason, ...(words ? { text: words } : {}) }));
    if (done) go(to("today"), { replace: true });
  };
  const primary = (
    <>
      <Wrong text={asked && missing && t(missing)} />
      <Button look="primary" onPress={save} testid="return-save">{t("return-save")}</Button>
    </>
  );
  return (
    <Page name="return" title={t("return-title")} back={to("ticket", ticket)} primary={primary}>
      <p>{t("return-word")}</p>
      <Choice
        label={t("return-why")} value={reason} onChange={(value) => setReason(value as Reason)} testid="return-reason"
        options={chipsOf("return", REASONS)}
      />
      <Field kind="text" label={t("return-text")} value={text} onInput={setText} maxLength={500} testid="return-text" />
    </Page>
  );
}
