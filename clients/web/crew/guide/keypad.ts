// What a number pad does with a key, and what a typed number means. Pure; the drawing is Keypad.tsx.

export type Key = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "." | "-" | "back";

/** Long enough for any meter; the kind `answer` takes ± 10¹². */
const DIGITS_MAX = 12;

/** The text after a key. A key that makes no sense here changes nothing. */
export function pressed(text: string, key: Key, integer = false): string {
  if (key === "back") return text.slice(0, -1);
  if (key === "-") return text.startsWith("-") ? text.slice(1) : `-${text}`;
  if (key === ".") return integer || text.includes(".") ? text : `${/\d$/.test(text) ? text : `${text}0`}.`;
  const digits = text.replace(/\D/g, "");
  if (digits.length >= DIGITS_MAX) return text;
  return /^-?0$/.test(text) ? text.replace("0", key) : text + key;
}

/** The number a text stands for, or null while it is none yet. */
export function numberOf(text: string): number | null {
  if (!/\d/.test(text)) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** The key a physical keyboard means, or null. */
export function keyOf(event: { key: string }): Key | null {
  if (event.key === "Backspace" || event.key === "Delete") return "back";
  if (event.key === "," || event.key === "。") return ".";
  return /^[0-9.-]$/.test(event.key) ? (event.key as Key) : null;
}

/** Whether a value lies in the normal range; a step without a range calls nothing unusual. */
export function isNormal(value: number, normal: readonly [number, number] | undefined): boolean {
  return !normal || (value >= normal[0] && value <= normal[1]);
}

/** Values worth one tap: what was read last time and the nominal value, where the normal range is narrow enough to have one.
    A meter's reading has none: yesterday's must not be today's by one tap. */
export function suggestions(step: { normal?: readonly [number, number]; integer?: boolean }, last: number | null): number[] {
  const { normal } = step;
  if (!normal || normal[1] - normal[0] > Math.abs(normal[1]) / 2) return [];
  return [...new Set([last, nominalOf(normal)].filter((value): value is number => value !== null && isNormal(value, normal)))];
}

/** The roundest number near the middle of a range: 220 of 198–235.4. */
function nominalOf([low, high]: readonly [number, number]): number | null {
  const middle = (low + high) / 2;
  for (let unit = 10 ** Math.floor(Math.log10(Math.max(high - low, 1e-6))); unit > 1e-6; unit /= 10) {
    const value = Number((Math.round(middle / unit) * unit).toPrecision(12));
    if (value > low && value < high) return value;
  }
  return null;
}
