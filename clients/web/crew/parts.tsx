// Small pieces several screens share: the words of truth, the names of things, and the line that says what is due.

import clockDrawing from "lucide-static/icons/timer.svg?raw";
import { KINDS } from "../core/kinds";
import type { Limit, TicketView, Truth, Visit } from "../core/types";
import { Icon } from "../ui/icon";
import { TruthMark } from "../ui/truth";
import { moment, span } from "./format";
import { isDriving } from "./next";
import { names, now } from "./session";
import { both, t, word } from "./words";

/** One of the five words; while sending, how far it is. */
export function TruthWord({
  truth,
  percent,
  fact,
}: {
  truth: Truth;
  percent?: number | null | undefined;
  fact?: string | undefined;
}) {
  const far = truth === "sending" && typeof percent === "number";
  return (
    <TruthMark
      truth={truth}
      fact={fact}
      word={far ? t("truth-sending-percent", { percent: Math.floor(percent) }) : word("truth", truth)}
    />
  );
}

/** What a kind of fact is called. */
export function factName(kind: string): string {
  return kind === "photo_bytes" ? t("photo-bytes") : both(KINDS.get(kind)?.title) || kind;
}

/** What people call a ticket: its number; before it has one, what it is. */
export function ticketName(view: Pick<TicketView, "number" | "kind"> | null | undefined): string {
  return view?.number ?? (view?.kind ? word("kind", view.kind) : t("ticket-unnamed"));
}

/** The name of a crew or a member. */
export function nameOf(id: string | undefined): string {
  if (!id) return "–";
  return both(names.value[id.replace(/^(member|crew):/, "")]) || id;
}

/** The live countdown of the limit a crew works against; silent on the road. */
export function Countdown({ limit, visit }: { limit: Limit | null; visit: Visit | null }) {
  if (isDriving(visit))
    return (
      <p class="due tone-quiet" data-testid="driving">
        {t("due-driving")}
      </p>
    );
  if (!limit) return null;
  const left = limit.due[0] - now.value;
  const name = word("limit", limit.name);
  const at = moment(limit.due[0], now.value);
  return (
    <p class="due" data-testid="countdown" role="timer">
      <Icon of={clockDrawing} />
      {left > 0 ? (
        <span>
          {name} <strong>{t("due-left", { left: span(left) })}</strong>
        </span>
      ) : (
        <span class="chip look">{t("due-past", { name, at })}</span>
      )}
    </p>
  );
}

/** P1, urban, kind: what a ticket is, on one line. */
export function KindLine({ view }: { view: TicketView }) {
  return (
    <span class="row kind-line">
      {view.priority !== undefined && <span class={`chip ${view.priority === 1 ? "look" : ""}`}>P{view.priority}</span>}
      <strong>{word("kind", view.kind)}</strong>
      {view.area_class && <span class="chip">{word("area-class", view.area_class)}</span>}
    </span>
  );
}
