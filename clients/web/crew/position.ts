// Where the phone is, asked only at the events of a job, never as a trail. An arrival is recorded before the first satellite
// answers; one better fix follows when there is one, also when the screen has changed meanwhile.

import { signal } from "@preact/signals";
import type { Fix, Phone } from "../core/types";
import { report } from "./session";

/** Why there is no position; the words go into the arrival as `no_fix_reason`. */
export type NoFix = "refused" | "unavailable" | "timeout";

const FRESH_MS = 120_000;
const SEARCH_MS = 30_000;
const GOOD_M = 15;

/** The newest fix, with the wall time it was measured at. */
export const lastFix = signal<{ fix: Fix; at: number } | null>(null);
/** The search that follows an arrival: for which fact, how good it is, and how it ended. */
export const search = signal<{
  of: string;
  state: "searching" | "recorded" | "none";
  why?: NoFix;
  firstAccuracy?: number;
  fix?: Fix;
} | null>(null);
/** What the browser said about permission, kept up to date; null before it was asked. */
export const permission = signal<PermissionState | null>(null);

/** A fix not older than two minutes, with its age now; what an arrival takes along at once. */
export function freshFix(): Fix | undefined {
  const known = lastFix.peek();
  const age = known ? Date.now() - known.at : Infinity;
  return known && age >= 0 && age <= FRESH_MS ? { ...known.fix, age_ms: Math.round(age) } : undefined;
}

/** Why there will be no fix, as far as is known before asking. */
export function knownNoFix(): NoFix | undefined {
  if (!("geolocation" in navigator)) return "unavailable";
  return permission.peek() === "denied" ? "refused" : undefined;
}

/** Ask what the browser thinks of positions, without asking the person. */
export async function watchPermission(): Promise<void> {
  try {
    const found = await navigator.permissions.query({ name: "geolocation" });
    permission.value = found.state;
    found.onchange = () => (permission.value = found.state);
  } catch {
    permission.value = null; // a browser that does not tell; asking will
  }
}

/** One fix now, or why not. */
export function locate(): Promise<Fix | NoFix> {
  return new Promise((resolve) => {
    if (!("geolocation" in navigator)) return resolve("unavailable");
    const options = { enableHighAccuracy: true, maximumAge: 0, timeout: SEARCH_MS };
    navigator.geolocation.getCurrentPosition(
      (found) => resolve(taken(found)),
      (error) => resolve(whyNot(error)),
      options,
    );
  });
}

/** Look for half a minute for a better position than the arrival had, and record the best one once. */
export function improve(phone: Phone, ticket: string, arrival: { fact: string; fix?: Fix | undefined }): void {
  if (search.peek()?.of === arrival.fact) return;
  const of = arrival.fact;
  search.value = { of, state: "searching", ...(arrival.fix ? { fix: arrival.fix } : {}) };
  if (!("geolocation" in navigator)) return void (search.value = { of, state: "none", why: "unavailable" });
  let best: Fix | undefined;
  let why: NoFix = "timeout";
  const end = () => {
    navigator.geolocation.clearWatch(watch);
    clearTimeout(timer);
    void keep(phone, ticket, arrival, best, why).catch(report);
  };
  const seen = (found: GeolocationPosition) => {
    const fix = taken(found);
    if (!best || accuracy(fix) < accuracy(best)) best = fix;
    const first = search.peek()?.firstAccuracy ?? fix.acc_m;
    search.value = { of, state: "searching", fix: best, ...(first === undefined ? {} : { firstAccuracy: first }) };
    if (accuracy(best) <= GOOD_M) end();
  };
  const refused = (error: GeolocationPositionError) => {
    why = whyNot(error);
    if (why === "refused") end();
  };
  const watch = navigator.geolocation.watchPosition(seen, refused, { enableHighAccuracy: true, maximumAge: 0 });
  const timer = setTimeout(end, SEARCH_MS);
}

async function keep(
  phone: Phone,
  ticket: string,
  arrival: { fact: string; fix?: Fix | undefined },
  best: Fix | undefined,
  why: NoFix,
): Promise<void> {
  const of = arrival.fact;
  const before = search.peek();
  if (!best || (arrival.fix && accuracy(arrival.fix) <= accuracy(best))) {
    search.value = arrival.fix ? { of, state: "recorded", fix: arrival.fix } : { of, state: "none", why };
    return;
  }
  await phone.correctPosition(ticket, { fix: best, of });
  search.value = { ...before, of, state: "recorded", fix: best };
}

function taken(found: GeolocationPosition): Fix {
  const { latitude, longitude, accuracy: acc } = found.coords;
  const fix: Fix = {
    lat: latitude,
    lon: longitude,
    acc_m: Math.round(acc * 10) / 10,
    age_ms: Math.max(0, Date.now() - found.timestamp),
  };
  lastFix.value = { fix, at: found.timestamp };
  return fix;
}

function accuracy(fix: Fix): number {
  return fix.acc_m ?? Infinity;
}

function whyNot(error: GeolocationPositionError): NoFix {
  return error.code === error.PERMISSION_DENIED ? "refused" : error.code === error.TIMEOUT ? "timeout" : "unavailable";
}
