// A member's points as entries with a day: the server's ledger rows, and when the work was finished from the tickets on the
// phone. Pure. Adds up what is live; why each entry is as it is was said by the server.

import type { Lang, Points, TicketView } from "../core/types";

/** `points`: what it adds or takes; `reasons`: the server's own sentences; `at` is missing when the ticket is gone. */
export interface Entry {
  id: string;
  points: number;
  kind: string;
  number?: string;
  reasons: Record<Lang, string[]>;
  at?: number;
}

export function entriesOf(rows: readonly Points[], views: readonly TicketView[]): Entry[] {
  const byId = new Map(views.map((view) => [view.id, view]));
  return rows.map((row) => entryOf(row, byId)).sort((one, two) => (two.at ?? 0) - (one.at ?? 0));
}

function entryOf(row: Points, views: Map<string, TicketView>): Entry {
  const { content } = row;
  const at = views.get(content.ticket)?.visits?.[content.visit]?.finished?.at;
  return {
    id: row.id,
    points: content.milli / 1000,
    kind: content.kind,
    reasons: { zh: row.explained?.zh ?? [], en: row.explained?.en ?? [] },
    ...(row.number ? { number: row.number } : {}),
    ...(at === undefined ? {} : { at }),
  };
}

/** Entries by what `nameOf` calls their month, in order. */
export function byMonth(entries: readonly Entry[], nameOf: (entry: Entry) => string): Map<string, Entry[]> {
  const months = new Map<string, Entry[]>();
  for (const entry of entries) months.set(nameOf(entry), [...(months.get(nameOf(entry)) ?? []), entry]);
  return months;
}

export function sumOf(entries: readonly Entry[]): number {
  return entries.reduce((total, entry) => total + Math.round(entry.points * 1000), 0) / 1000;
}
