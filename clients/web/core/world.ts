// What a phone reads and asks of the browser around it: clocks, chance, the network, other tabs. Passed in, for tests to hold.
//
// The page builds the real one from `window`, `navigator` and `document`. Refuses to know them.

import { toHex } from "./bytes";
import type { Canary, Reading } from "./facts";
import type { Pocket } from "./pocket";

/** Why the syncer is called. `send-now` is a person's finger and waits for nothing. */
export type Call = "open" | "visible" | "online" | "timer" | "poke" | "recorded" | "send-now";

/** The part of `navigator.locks` that is used; null where the browser has none (then one tab is assumed). */
export interface Locks {
  request<T>(name: string, options: { ifAvailable?: boolean; steal?: boolean },
    callback: (lock: unknown) => Promise<T>): Promise<T>;
}

/** The part of BroadcastChannel that is used. */
export interface Channel {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  removeEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
}

export interface World {
  fetch: typeof fetch;
  crypto: Crypto;
  wallMs(): number;
  /** Counts within one `boot`; may stand still while the phone sleeps. */
  monoMs(): number;
  /** A short name for this start of the program. */
  boot: string;
  /** Draws between two numbers. */
  uniform(low: number, high: number): number;
  /** Runs `call` after some milliseconds; the result takes it back. */
  after(ms: number, call: () => void): () => void;
  /** Opens the phone's store; without it, the browser's own. */
  pocket?(): Promise<Pocket>;
  canary: Canary;
  locks: Locks | null;
  channel: Channel | null;
  /** Tells when the page comes into sight, the network comes back, or the server pokes. Returns how to stop listening. */
  triggers(listener: (why: Call) => void): () => void;
  /** Version of this app, as the server hears it. */
  app: string;
  installed(): boolean;
  persisted(): Promise<boolean>;
  freeMb(): Promise<number | null>;
}

/** What the clocks show now. Where they are wrong is for the server's bounds to say; recording never stops for it. */
export function clocks(world: World): Reading {
  return { wall: Math.round(world.wallMs()), mono: Math.round(world.monoMs()), boot: world.boot };
}

/** A UUIDv7 (RFC 9562 §5.7). A clock before 1970 counts as 1970. */
export function newId(world: World): string {
  const bytes = world.crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setUint32(0, Math.floor(Math.max(0, world.wallMs()) / 0x10000));
  new DataView(bytes.buffer).setUint16(4, Math.max(0, world.wallMs()) % 0x10000);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
