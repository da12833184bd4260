// Numbers and moments as a person reads them on a phone. Pure; the language comes from words.ts.

import { locale, t } from "./words";

const DAY_MS = 86_400_000;

// Making an Intl formatter takes a slow phone 50 ms and more, and a clock reads the same in every language: hours are
// written by hand, and the formatter of days is kept.

/** 09:41, or with the day when it is not today. */
export function moment(ms: number, today: number): string {
  const same = new Date(ms).toDateString() === new Date(today).toDateString();
  return same ? clock(ms) : `${day(ms)} ${clock(ms)}`;
}

export function clock(ms: number): string {
  const at = new Date(ms);
  return [at.getHours(), at.getMinutes()].map(twoDigits).join(":");
}

/** 09:41:07: an arrival is told to the second. */
export function seconds(ms: number): string {
  return `${clock(ms)}:${twoDigits(new Date(ms).getSeconds())}`;
}

function twoDigits(part: number): string {
  return String(part).padStart(2, "0");
}

export function day(ms: number): string {
  const lang = locale();
  days[lang] ??= new Intl.DateTimeFormat(lang, { month: "short", day: "numeric" });
  return days[lang].format(ms);
}

const days: Record<string, Intl.DateTimeFormat> = {};

/** 12:40 under an hour, 3 h 05 under two days, days above. Never negative: whoever asks says late in words. */
export function span(ms: number): string {
  const total = Math.floor(Math.max(0, ms) / 1000);
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor((total % 3600) / 60)];
  if (hours === 0) return `${minutes}:${String(total % 60).padStart(2, "0")}`;
  if (ms < 2 * DAY_MS) return t("span-hours", { hours, minutes: String(minutes).padStart(2, "0") });
  return t("span-days", { days: Math.floor(ms / DAY_MS) });
}

/** 42 m, 2.1 km. */
export function distance(metres: number): string {
  return metres < 1000 ? `${Math.round(metres)} m` : `${(metres / 1000).toFixed(metres < 10_000 ? 1 : 0)} km`;
}

export function bytes(size: number): string {
  return size < 1_000_000 ? `${Math.max(1, Math.round(size / 1000))} kB` : `${(size / 1_000_000).toFixed(1)} MB`;
}

/** A number with hyphens that stays on one line. */
export function unbroken(text: string): string {
  return text.replaceAll("-", "\u2011");
}
