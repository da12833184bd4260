// One change by HQ as one sentence that says first what became of the crew's own work.

import type { TicketView } from "../core/types";
import { Banner } from "../ui/banner";
import { Button, LinkButton } from "../ui/button";
import type { Change, Mine } from "./changes";
import { moment } from "./format";
import { factName, nameOf, ticketName } from "./parts";
import { to } from "./router";
import { attempt, now } from "./session";
import { sentences, t, word } from "./words";

/** `linked` puts the road to the ticket beside the sentence, for lists. */
export function Told({ change, linked }: { change: Change; linked?: boolean }) {
  const tone = change.what === "notice" || change.what === "handled" || change.what === "gone" ? "plain" : "look";
  return (
    <Banner
      tone={tone}
      testid={`told-${change.what}`}
      code={codeOf(change)}
      action={<Actions change={change} linked={linked ?? false} />}
    >
      {sentence(change)}
    </Banner>
  );
}

function Actions({ change, linked }: { change: Change; linked: boolean }) {
  if (change.what === "notice")
    return <Button onPress={() => attempt((phone) => phone.dismissNotice(change.index))}>{t("understood")}</Button>;
  const ticket = change.ticket;
  return linked && ticket && !ticket.gone ? <LinkButton href={to("ticket", ticket.id)}>{t("to-ticket")}</LinkButton> : null;
}

function codeOf(change: Change): string | undefined {
  if (change.what === "notice") return change.notice.slug;
  return change.what === "fact" ? `${change.item.why ?? ""} ${change.item.journal.slice(-6)}:${change.item.n}` : undefined;
}

function sentence(change: Change): string {
  switch (change.what) {
    case "notice":
      return noticeSentence(change.notice, change.mine);
    case "fact":
      return factSentence(change);
    case "contest":
      return t("told-contest", {
        fields: change.fields.map(fieldName).join(t("list-comma")),
        number: ticketName(change.ticket),
      });
    case "cancelled":
      return cancelled(change.ticket, change.mine);
    case "handled":
      return t("told-handled", { number: ticketName(change.ticket), ...byWhom(change.ticket.handled!) });
    case "gone":
      return gone(change.ticket, change.mine);
  }
}

function cancelled(ticket: TicketView, mine: Mine): string {
  const reason = ticket.closing?.reason ?? "–";
  const what = t("told-cancelled", { number: ticketName(ticket), reason });
  return sentences(what, mine.any ? t("mine-decided", own(mine)) : t("mine-none"));
}

function gone(ticket: TicketView, mine: Mine): string {
  const number = ticketName(ticket);
  const what = ticket.gone_to?.crew ? t("told-reassigned", { number, ...byWhom(ticket.gone_to) }) : t("told-gone", { number });
  return sentences(what, safe(mine));
}

function noticeSentence(notice: { slug: string; [detail: string]: unknown }, mine: Mine): string {
  if (notice.slug !== "reassigned") return word("notice", notice.slug);
  const number = String(notice["number"] ?? t("ticket-unnamed"));
  const what = t("told-reassigned", { number, ...byWhom(notice as { crew?: string; at?: number }) });
  return sentences(what, safe(mine));
}

/** "Your arrival and 2 photos are safe and count for you", or that there was nothing yet. */
function safe(mine: Mine): string {
  return mine.any ? t("mine-safe", own(mine)) : t("mine-none");
}

function own({ arrived, photos }: Mine): { mine: string; count: number } {
  const parts = [arrived && t("mine-arrival"), photos > 0 && t("mine-photos", { photos })].filter(Boolean);
  return parts.length
    ? { mine: parts.join(t("mine-and")), count: Number(arrived) + photos }
    : { mine: t("mine-records"), count: 2 };
}

function factSentence({ item, ticket }: Change & { what: "fact" }): string {
  const why = item.why ? word("why", item.why) : t("why-unknown");
  return t("told-fact", { fact: factName(item.kind), number: ticketName(ticket), why });
}

function byWhom(told: { crew?: string; at?: number }): { crew: string; at: string } {
  return { crew: nameOf(told.crew), at: told.at ? moment(told.at, now.value) : "–" };
}

/** A contested place in the record: a ticket's field, its state, or something of a visit. */
function fieldName(path: string): string {
  const last = path.startsWith("visits/") ? path.split("/")[2]! : path;
  return word("field", last);
}
