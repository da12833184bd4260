// Correct what the ticket says of customer and place 更正客户信息. Only what was changed is written; if the office changed the
// same field meanwhile, both stay and a person decides.

import type { TicketView } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import type { ScreenProps } from "../app";
import { useDraft } from "../draft";
import { Page } from "../page";
import { go, to } from "../router";
import { record, useLive } from "../session";
import { t } from "../words";

const FIELDS = { contact_phone: 40, address: 300, customer_name: 120, meter_asset_no: 40, remarks: 2000 } as const;
type Name = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as Name[];

export default function Amend({ ticket = "" }: ScreenProps) {
  const view = useLive((phone) => phone.ticket(ticket), [ticket]);
  if (!view)
    return (
      <Page name="amend" title={t("open-amend")} back={to("ticket", ticket)}>
        {view === null ? <Banner tone="look">{t("ticket-not-here")}</Banner> : <p role="status">{t("loading")}</p>}
      </Page>
    );
  return <Form view={view} />;
}

function Form({ view }: { view: TicketView }) {
  const { value, set, clear } = useDraft<Partial<Record<Name, string>>>(`amend:${view.id}`, {});
  const before = (name: Name) => String(view[name] ?? "");
  const changed = NAMES.filter((name) => value[name] !== undefined && value[name]!.trim() !== before(name));
  const back = to("ticket", view.id);
  const save = async () => {
    if (
      changed.length &&
      !(await record((phone) => phone.amend(view.id, Object.fromEntries(changed.map((name) => [name, value[name]!.trim()])))))
    )
      return;
    await clear();
    go(back, { replace: true });
  };
  return (
    <Page
      name="amend"
      title={t("open-amend")}
      back={back}
      primary={
        <Button look="primary" onPress={save} testid="amend-save">
          {changed.length ? t("save") : t("nothing-changed")}
        </Button>
      }
    >
      <p class="quiet">{t("amend-note")}</p>
      {NAMES.map((name) => (
        <Field
          key={name}
          label={t(`field-${name.replaceAll("_", "-")}`)}
          kind={name === "contact_phone" ? "tel" : name === "remarks" ? "text" : "line"}
          value={value[name] ?? before(name)}
          onInput={(text) => set({ [name]: text })}
          maxLength={FIELDS[name]}
          testid={`amend-${name}`}
        />
      ))}
    </Page>
  );
}
