// A note 备注 for whoever comes next.

import { useState } from "preact/hooks";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import type { ScreenProps } from "../app";
import { useDraft } from "../draft";
import { moment } from "../format";
import { Page } from "../page";
import { go, to } from "../router";
import { now, record, useLive } from "../session";
import { t } from "../words";

export default function Note({ ticket = "" }: ScreenProps) {
  const { value, set, clear } = useDraft(`note:${ticket}`, { text: "" });
  const [empty, setEmpty] = useState(false);
  const notes = useLive(
    async (phone) => {
      const view = await phone.ticket(ticket);
      return (view && phone.visit(view)?.visit.notes) ?? [];
    },
    [ticket],
  );
  const back = to("ticket", ticket);
  const save = async () => {
    const text = value.text.trim();
    if (!text) return setEmpty(true);
    if (!(await record((phone) => phone.note(ticket, text)))) return;
    await clear();
    go(back, { replace: true });
  };
  return (
    <Page
      name="note"
      title={t("open-note")}
      back={back}
      primary={
        <Button look="primary" onPress={save} testid="note-save">
          {t("save")}
        </Button>
      }
    >
      <Field
        label={t("note-text")}
        kind="text"
        value={value.text}
        onInput={(text) => set({ text })}
        fault={empty ? t("note-empty") : undefined}
        maxLength={2000}
        testid="note-text"
      />
      <ul class="stack">
        {notes?.map((note) => (
          <li class="card" key={note.fact}>
            <p>{String(note["text"])}</p>
            <p class="quiet">{moment(note.at, now.value)}</p>
          </li>
        ))}
      </ul>
    </Page>
  );
}
