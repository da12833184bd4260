// Score 积分: every entry with the sentences the server computed it by; sums by month; what is still provisional; how to appeal.

import { Banner } from "../../ui/banner";
import { day } from "../format";
import { byMonth, entriesOf, sumOf, type Entry } from "../ledger";
import { Page } from "../page";
import { useLive } from "../session";
import { language, locale, t, word } from "../words";

export default function Score() {
  const entries = useLive(async (phone) => entriesOf(await phone.points(), await phone.tickets()));
  return (
    <Page name="score" title={t("tab-score")}>
      {entries?.length === 0 && (
        <Banner tone="plain" testid="no-points">
          {t("score-none")}
        </Banner>
      )}
      {entries && [...byMonth(entries, monthOf)].map(([month, rows]) => <Month key={month} name={month} rows={rows} />)}
      <section class="stack">
        <h2>{t("score-appeal-title")}</h2>
        <p>{t("score-appeal")}</p>
        <p class="quiet">{t("score-note")}</p>
      </section>
    </Page>
  );
}

function Month({ name, rows }: { name: string; rows: Entry[] }) {
  return (
    <section class="stack">
      <h2 class="spread">
        <span>{name}</span>
        <span class="number" data-testid="month-sum">
          {points(sumOf(rows))}
        </span>
      </h2>
      <ul class="stack">
        {rows.map((row) => (
          <Row key={row.id} row={row} />
        ))}
      </ul>
    </section>
  );
}

function Row({ row }: { row: Entry }) {
  return (
    <li class="card" data-testid="points" data-kind={row.kind}>
      <p class="spread">
        <strong>{row.number ?? t("ticket-unnamed")}</strong>
        <strong>
          {row.points > 0 ? "+" : ""}
          {points(row.points)}
        </strong>
      </p>
      <p class="row quiet">
        {row.at !== undefined && <span>{day(row.at)}</span>}
        <span class={`chip ${row.kind === "held" ? "look" : ""}`}>{word("entry", row.kind)}</span>
      </p>
      <ul class="bullets">
        {row.reasons[language.value].map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
    </li>
  );
}

function monthOf(row: Entry): string {
  return row.at === undefined
    ? t("score-undated")
    : new Intl.DateTimeFormat(locale(), { year: "numeric", month: "long" }).format(row.at);
}

function points(amount: number): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: 2 }).format(amount);
}
