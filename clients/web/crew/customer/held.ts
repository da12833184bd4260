// Whether the phone is in a customer's hands, remembered over reload, back key and kill. While it is, nothing but the
// customer's screen may be shown. Never remembers what the customer chose.

import { signal } from "@preact/signals";
import type { Lang, Phone, Saved } from "../../core/types";

export interface Held { ticket: string; opened: Saved; /** The crew's language, given back with the phone. */ lang: Lang }

const NAME = "customer-mode";

export const held = signal<Held | null>(null);

/** Ask the phone before the first screen, and again whenever this tab is looked at: another may have handed over. */
export async function watchHeld(phone: Phone): Promise<void> {
  await find(phone);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void find(phone);
  });
}

async function find(phone: Phone): Promise<void> {
  const found = (await phone.recall<Held | null>(NAME)) ?? null;
  if (found?.opened.fact !== held.peek()?.opened.fact) held.value = found;
}

export async function hold(phone: Phone, what: Held): Promise<void> {
  await phone.remember(NAME, what);
  held.value = what;
}

export async function release(phone: Phone): Promise<void> {
  await phone.remember(NAME, null);
  held.value = null;
}
