// Material used 材料使用: what was built in and how much of it; several in a row.

import { useState } from "preact/hooks";
import type { Moment } from "../../core/types";
import { Button } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { Field } from "../../ui/field";
import type { ScreenProps } from "../app";
import { useDraft } from "../draft";
import { Page } from "../page";
import { to } from "../router";
import { record, useLive } from "../session";
import { locale, t } from "../words";

const UNITS = ["piece", "metre", "set", "kilogram"] as const;
const EMPTY = { name: "", quantity: "1", unit: "piece" as string };

export default function Material({ ticket = "" }: ScreenProps) {
  const { value, set, clear } = useDraft(`material:${ticket}`, EMPTY);
  const [fault, setFault] = useState<"name" | "quantity" | null>(null);
  const used = useLive(
    async (phone) => {
      const view = await phone.ticket(ticket);
      return (view && phone.visit(view)?.visit.materials) ?? [];
    },
    [ticket],
  );
  const save = async () => {
    const [name, quantity] = [value.name.trim(), Number(value.quantity.replace(",", "."))];
    const wrong = !name ? "name" : !(quantity > 0 && quantity <= 1e6) ? "quantity" : null;
    setFault(wrong);
    if (wrong || !(await record((phone) => phone.material(ticket, { name, quantity, unit: t(`unit-${value.unit}`) })))) return;
    set(EMPTY);
    await clear();
  };
  return (
    <Page
      name="material"
      title={t("open-material")}
      back={to("ticket", ticket)}
      primary={
        <Button look="primary" onPress={save} testid="material-save">
          {t("save")}
        </Button>
      }
    >
      <Field
        label={t("material-name")}
        value={value.name}
        onInput={(name) => set({ name })}
        fault={fault === "name" ? t("material-name-empty") : undefined}
        maxLength={120}
        testid="material-name"
      />
      <Field
        label={t("material-quantity")}
        kind="decimal"
        value={value.quantity}
        onInput={(quantity) => set({ quantity })}
        fault={fault === "quantity" ? t("material-quantity-wrong") : undefined}
        testid="material-quantity"
      />
      <Choice
        label={t("material-unit")}
        chips
        value={value.unit}
        onChange={(unit) => set({ unit })}
        options={UNITS.map((unit) => ({ value: unit, label: t(`unit-${unit}`) }))}
      />
      {used && used.length > 0 && <Used rows={used} />}
    </Page>
  );
}

function Used({ rows }: { rows: Moment[] }) {
  return (
    <section class="stack">
      <h2>{t("material-used")}</h2>
      <ul class="rows">
        {rows.map((one) => (
          <li key={one.fact} class="queue-row">
            <span class="grow">{String(one["name"])}</span>
            <span>{`${Number(one["quantity"]).toLocaleString(locale())} ${String(one["unit"] ?? "")}`}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
