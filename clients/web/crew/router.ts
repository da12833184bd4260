// Where the person is, kept in the address behind the #, so that the phone's own back key works and a killed app comes back
// to the very screen. Knows the shapes of addresses and nothing of what stands on a screen.

import { signal } from "@preact/signals";

/** A screen's name, and the ticket and guide step it is about. */
export interface Place {
  screen: string;
  ticket?: string;
  step?: string;
}

/** Screens of one ticket by the last word of their address; `rate` is the customer's screen. */
const OF_TICKET: Record<string, string> = {
  arrive: "arrive",
  guide: "guide",
  camera: "camera",
  scan: "scan",
  signature: "signature",
  rate: "customer",
  "own-phone": "own-phone",
  done: "done",
  suspend: "suspend",
  return: "return",
  amend: "amend",
  note: "note",
  material: "material",
};
const ALONE = new Set(["today", "queue", "score", "learn", "settings", "start", "raise", "changed"]);
export const TABS = ["today", "queue", "score", "learn"] as const;

export const place = signal<Place>(parse(typeof location === "undefined" ? "" : location.hash));

/** The place an address means; anything unknown is Today. */
export function parse(hash: string): Place {
  const [screen = "", ticket = "", sub = "", step = ""] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (screen === "ticket" && ticket) return ofTicket(ticket, sub, step);
  return { screen: ALONE.has(screen) ? screen : "today", ...(screen === "learn" && ticket ? { step: ticket } : {}) };
}

function ofTicket(ticket: string, sub: string, step: string): Place {
  return { screen: OF_TICKET[sub] ?? "ticket", ticket, ...(step ? { step } : {}) };
}

/** The address of a screen: `to("today")`, `to("ticket", id)`, `to("ticket", id, "guide", step)`. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Go there. `replace` leaves no trace for the back key: for steps nobody wants to go back to. */
export function go(address: string, how: { replace?: boolean } = {}): void {
  if (how.replace) history.replaceState(null, "", address);
  else if (location.hash !== address) history.pushState(null, "", address);
  follow();
}

/** Begin to follow the address; `moved` hears every move. Returns the end of it. */
export function followAddress(moved: (address: string) => void): () => void {
  told = moved;
  addEventListener("popstate", follow);
  addEventListener("hashchange", follow);
  follow();
  return () => {
    told = null;
    removeEventListener("popstate", follow);
    removeEventListener("hashchange", follow);
  };
}

let told: ((address: string) => void) | null = null;

function follow(): void {
  const next = parse(location.hash);
  const now = place.peek();
  if (next.screen === now.screen && next.ticket === now.ticket && next.step === now.step) return;
  place.value = next;
  told?.(location.hash);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
