// Raise a ticket 现场新建工单: found on the road, or told by phone; a few taps, typing only what has no chip.

import crosshair from "lucide-static/icons/locate.svg?raw";
import { useState } from "preact/hooks";
import type { Fix } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { Choice, Choices, Tick } from "../../ui/choice";
import { Field } from "../../ui/field";
import { useDraft } from "../draft";
import { Page } from "../page";
import { locate } from "../position";
import { go, to } from "../router";
import { record } from "../session";
import { t } from "../words";

const KINDS = ["fault_repair", "hazard", "metering_fault", "reconnection", "temp_supply", "consultation"] as const;
const SIGNS = ["no-power", "line-down", "smell", "meter-dark", "tree", "pole", "other"] as const;
const EMPTY = {
  kind: null as string | null,
  signs: [] as string[],
  text: "",
  address: "",
  phone: "",
  told: false,
  number: "",
  fix: null as Fix | null,
};
type Form = typeof EMPTY;
type Filling = { value: Form; set: (change: Partial<Form>) => void };

export default function Raise() {
  const { value, set, clear, ready } = useDraft("raise", EMPTY);
  const [fault, setFault] = useState(false);
  const save = async () => {
    const told = value.told ? value.number.trim() : "";
    if (!value.kind && !told) return setFault(true);
    const done = await record((phone) => phone.raise(fieldsOf(value), told || undefined));
    if (!done) return;
    await clear();
    go(to("ticket", done.ticket), { replace: true });
  };
  const primary = <Button look="primary" onPress={save} testid="raise-save">{t("raise-save")}</Button>;
  return (
    <Page name="raise" title={t("raise-title")} back={to("today")} primary={primary}>
      {fault && <Banner tone="look" live="now" testid="raise-fault">{t("raise-fault")}</Banner>}
      {ready && <What value={value} set={set} />}
      {ready && <Where value={value} set={set} />}
    </Page>
  );
}

function What({ value, set }: Filling) {
  const kinds = KINDS.map((kind) => ({ value: kind, label: t(`kind-${kind.replaceAll("_", "-")}`) }));
  const signs = SIGNS.map((sign) => ({ value: sign, label: t(`sign-${sign}`) }));
  return (
    <>
      <Tick label={t("raise-told")} value={value.told} onChange={(told) => set({ told })} testid="raise-told" />
      {value.told && (
        <Field
          label={t("raise-number")} hint={t("raise-number-hint")} kind="code" maxLength={64} testid="raise-number"
          value={value.number} onInput={(number) => set({ number })}
        />
      )}
      <Choice
        label={t("raise-kind")} chips options={kinds} testid="raise-kind"
        value={value.kind} onChange={(kind) => set({ kind })}
      />
      <Choices
        label={t("raise-signs")} chips options={signs} testid="raise-signs"
        value={value.signs} onChange={(chosen) => set({ signs: chosen })}
      />
      <Field
        label={t("in-own-words")} kind="text" maxLength={1500} testid="raise-text"
        value={value.text} onInput={(text) => set({ text })}
      />
    </>
  );
}

function Where({ value, set }: Filling) {
  const [why, setWhy] = useState<string | null>(null);
  const { fix } = value;
  const ask = async () => {
    const found = await locate();
    setWhy(typeof found === "string" ? found : null);
    if (typeof found !== "string") set({ fix: found });
  };
  const at = fix && { lat: fix.lat.toFixed(5), lon: fix.lon.toFixed(5), accuracy: Math.round(fix.acc_m ?? 0) };
  return (
    <>
      <Field
        label={t("field-address")} maxLength={300} testid="raise-address"
        value={value.address} onInput={(address) => set({ address })}
      />
      <div class="stack">
        <Button icon={crosshair} onPress={ask} testid="raise-where">{t("raise-where")}</Button>
        {at && <p role="status">{t("raise-at", at)}</p>}
        {why && <p class="quiet" role="status">{t(`no-fix-${why}`)}</p>}
      </div>
      <Field
        label={t("field-contact-phone")} kind="tel" maxLength={40} testid="raise-phone"
        value={value.phone} onInput={(phone) => set({ phone })}
      />
    </>
  );
}

/** Only what was said; an empty field would look like a word of the crew. */
function fieldsOf({ kind, signs, text, address, phone, fix }: Form): Record<string, unknown> {
  const description = [...signs.map((sign) => t(`sign-${sign}`)), text.trim()].filter(Boolean).join("；");
  const accuracy = fix?.acc_m === undefined ? {} : { acc_m: fix.acc_m };
  const position = fix && { lat: fix.lat, lon: fix.lon, ...accuracy, source: "phone" };
  const fields = { kind, description, address: address.trim(), contact_phone: phone.trim(), position };
  return Object.fromEntries(Object.entries(fields).filter(([, one]) => one));
}
