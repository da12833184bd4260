// What happened to this crew's work while the phone did not hear: notices of the replica, facts HQ did not simply apply, and
// tickets that went elsewhere. One list, newest first; each entry becomes one sentence.

import type { Notice, Phone, QueueItem, TicketView } from "../core/types";

export type Change =
  | { what: "notice"; index: number; notice: Notice; mine: Mine }
  | { what: "fact"; item: QueueItem; ticket: TicketView | null }
  | { what: "contest"; ticket: TicketView; fields: string[] }
  | { what: "cancelled" | "handled" | "gone"; ticket: TicketView; mine: Mine };

/** What this phone recorded about a ticket, for the first words of a sentence: the journal outlives the row. */
export interface Mine {
  arrived: boolean;
  photos: number;
  any: boolean;
}

/** Everything that still stands: a notice goes when it was read, the others when they are settled.
    A contest is told once, by its ticket. */
export async function changesOf(phone: Phone): Promise<Change[]> {
  const [notices, queue, views] = await Promise.all([phone.notices(), phone.queue(), phone.tickets()]);
  const byId = new Map(views.map((view) => [view.id, view]));
  return [
    ...notices
      .map((notice, index) => ({
        what: "notice" as const,
        index,
        notice,
        mine: mineOf(queue, String(notice["ticket"])),
      }))
      .reverse(),
    ...views.filter((view) => !view.gone).flatMap((view) => toldBy(queue, view)),
    ...queue
      .filter((item) => item.truth === "needs_you" && item.kind !== "photo_bytes" && !byId.get(item.ticket ?? "")?.contests)
      .map((item) => ({ what: "fact" as const, item, ticket: byId.get(item.ticket ?? "") ?? null })),
  ];
}

/** How many of them nobody has looked at on this phone. */
export async function unseenOf(phone: Phone): Promise<number> {
  const seen = new Set(await phone.recall<string[]>(SEEN));
  return (await changesOf(phone)).filter((change) => !seen.has(nameOf(change))).length;
}

/** They have been looked at. */
export function markSeen(phone: Phone, changes: readonly Change[]): Promise<void> {
  return phone.remember(SEEN, changes.map(nameOf));
}

const SEEN = "changes-seen";

/** The same change has the same name tomorrow. */
function nameOf(change: Change): string {
  if (change.what === "notice") return `notice ${JSON.stringify(change.notice)}`;
  if (change.what === "fact") return `fact ${change.item.journal} ${change.item.n} ${change.item.why ?? ""}`;
  const detail = change.what === "contest" ? change.fields.join(" ") : (change.ticket.closing?.at ?? "");
  return `${change.what} ${change.ticket.id} ${detail}`;
}

/** What a ticket itself says of changes by the office. */
export function toldBy(queue: readonly QueueItem[], view: TicketView): Change[] {
  const fields = Object.keys(view.contests ?? {});
  const mine = mineOf(queue, view.id);
  return [
    ...(view.gone ? [{ what: "gone" as const, ticket: view, mine }] : []),
    ...(view.state === "cancelled" ? [{ what: "cancelled" as const, ticket: view, mine }] : []),
    ...(view.handled ? [{ what: "handled" as const, ticket: view, mine }] : []),
    ...(fields.length ? [{ what: "contest" as const, ticket: view, fields }] : []),
  ];
}

function mineOf(queue: readonly QueueItem[], ticket: string): Mine {
  const own = queue.filter((item) => item.ticket === ticket && item.kind !== "photo_bytes");
  const count = (kind: string): number => own.filter((item) => item.kind === kind).length;
  return { arrived: count("arrival") > 0, photos: count("photo"), any: own.length > 0 };
}
