// Which visit of a ticket a fact belongs to. Pure; the same rule as in clients/handset/phone.py.

import type { TicketView, Visit } from "./types";

/** Who looks: the member, and the crews whose feed this phone receives. */
export interface Viewer { member: string; crews: ReadonlySet<string> }

/** A visit with its id. */
export interface Found { id: string; visit: Visit }

/** The newest visit of the viewer or their crew; `open`: only one that has not ended. Null when there is none. */
export function visitIn(view: TicketView | null, { member, crews }: Viewer, { open = false } = {}): Found | null {
  const me = `member:${member}`;
  const ours = Object.entries(view?.visits ?? {}).filter(([, visit]) => {
    const own = visit.members.includes(me) || crews.has(visit.crew ?? "");
    return own && !(open && (visit.finished || visit.returned));
  });
  const newest = ours.sort(([one], [two]) => (one < two ? 1 : -1))[0]; // ids are UUIDv7: they sort by time
  return newest ? { id: newest[0], visit: newest[1] } : null;
}
