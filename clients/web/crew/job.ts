// Doing the next step of a job with one tap, from whichever screen the tap came: record it, then go where the crew must be.

import type { TicketView } from "../core/types";
import { freshFix, knownNoFix } from "./position";
import type { Next } from "./next";
import { go, to } from "./router";
import { record } from "./session";
import { isFar, metresBetween } from "./geo";

/** Record the next step and open its screen. Nothing here waits for a satellite or the network. */
export async function step(view: TicketView, next: Next): Promise<void> {
  const id = view.id;
  if (next === "accept") await record((phone) => phone.accept(id));
  if (next === "depart") await depart(id);
  if (next === "arrive") await arrive(view);
  if (next === "start" && (await record((phone) => phone.start(id)))) go(to("ticket", id, "guide"));
  if (next === "resume" && (await record((phone) => phone.resume(id)))) go(to("ticket", id, "guide"));
  if (next === "work") go(to("ticket", id, "guide"));
  if (next === "rate") go(to("ticket", id, "rate"));
}

async function depart(id: string): Promise<void> {
  const fix = freshFix();
  await record((phone) => phone.depart(id, fix ? { fix } : {}));
}

/** 我到了: written at once, with the fix of the last two minutes if there is one. */
export async function arrive(view: TicketView): Promise<void> {
  const fix = freshFix();
  const why = fix ? undefined : knownNoFix();
  const done = await record((phone) =>
    phone.arrive(view.id, { ...(fix ? { fix } : {}), ...(why ? { no_fix_reason: why } : {}) }),
  );
  if (done) go(to("ticket", view.id, "arrive"));
}

/** How far the phone is from the address, and whether that needs a word; null without both positions. */
export function away(
  view: TicketView,
  fix: { lat: number; lon: number; acc_m?: number } | undefined,
): { metres: number; far: boolean } | null {
  if (!fix || !view.position) return null;
  const metres = metresBetween(fix, view.position);
  return { metres, far: isFar(metres, fix.acc_m, view.position.acc_m) };
}
