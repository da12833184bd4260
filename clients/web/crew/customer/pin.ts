// The crew's PIN: keeps a customer's screen shut against a glance, not against a thief with the phone's storage in hand.
// Four digits cannot be more than that; so wrong tries cost growing time and a reset is written on the ticket.

/** What is remembered of a PIN; `digits` so that the last of them needs no further key. */
export interface PinHash { salt: string; hash: string; rounds: number; digits: number }
/** Wrong tries since the last right one, and the wall clock before which no further one is taken. */
export interface Tries { wrong: number; until: number }

/** Names under which the phone remembers both. */
export const PIN = "pin";
export const PIN_TRIES = "pin-tries";
export const PIN_MIN = 4;
export const PIN_MAX = 6;
const ROUNDS = 210_000;
/** Seconds to wait after the n-th wrong try; the last goes on for ever. */
const WAITS_S = [0, 0, 5, 15, 30, 60, 120, 300];

export const NO_TRIES: Tries = { wrong: 0, until: 0 };

export function afterWrong(tries: Tries, now: number): Tries {
  const wrong = tries.wrong + 1;
  return { wrong, until: now + 1000 * WAITS_S[Math.min(wrong, WAITS_S.length) - 1]! };
}

/** How long no try is taken. A clock that was set back does not make it longer than the step it stands on. */
export function waitMs(tries: Tries, now: number): number {
  const step = 1000 * WAITS_S[Math.min(Math.max(tries.wrong, 1), WAITS_S.length) - 1]!;
  return Math.min(step, Math.max(0, tries.until - now));
}

export const isPin = (text: string): boolean => /^\d+$/.test(text) && text.length >= PIN_MIN && text.length <= PIN_MAX;

export async function hashed(pin: string): Promise<PinHash> {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  return { salt: hex(salt), hash: await derived(pin, salt, ROUNDS), rounds: ROUNDS, digits: pin.length };
}

export async function matches(pin: string, known: PinHash): Promise<boolean> {
  return (await derived(pin, unhex(known.salt), known.rounds)) === known.hash;
}

async function derived(pin: string, salt: Uint8Array<ArrayBuffer>, rounds: number): Promise<string> {
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(pin), "PBKDF2", false, ["deriveBits"]);
  const bits = await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds }, key, 256);
  return hex(new Uint8Array(bits));
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function unhex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
