// The browser around the app, as the core asks for it: clocks, chance, network, other tabs, storage. The only module that hands
// `window` things to the core; it decides nothing. Also what a browser must have before the app can run at all.

import type { Canary, CanaryNote } from "../core/facts";
import type { Call, World } from "../core/world";
import { installed, version } from "./update";

const CANARY = "lamplighter.phone";

/** What the app cannot do without. */
export type Lack = "secure" | "indexeddb" | "webcrypto" | "compression" | "service-worker";

/** What is missing here; empty on a browser that will do. */
export function lacks(): Lack[] {
  const has: [Lack, boolean][] = [
    ["secure", isSecureContext],
    ["indexeddb", "indexedDB" in globalThis],
    ["webcrypto", "crypto" in globalThis && "subtle" in crypto && Boolean(crypto.subtle)],
    ["compression", "CompressionStream" in globalThis],
    ["service-worker", "serviceWorker" in navigator],
  ];
  return has.filter(([, there]) => !there).map(([lack]) => lack);
}

/** The real one. */
export function browserWorld(): World {
  return {
    fetch: fetch.bind(globalThis),
    crypto,
    wallMs: () => Date.now(),
    monoMs: () => Math.floor(performance.now()),
    boot: Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, "0")).join(""),
    uniform: (low, high) => low + Math.random() * (high - low),
    after: (ms, call) => {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    },
    locks: navigator.locks ? { request: (name, options, callback) => navigator.locks.request(name, options, callback) } : null,
    channel: "BroadcastChannel" in globalThis ? new BroadcastChannel("lamplighter") : null,
    triggers,
    app: `crew/${version}`,
    installed: () => installed.peek(),
    persisted: async () => (await navigator.storage?.persisted?.()) ?? false,
    freeMb,
    canary,
  };
}

/** iPhones and iPads, also those that call themselves a Mac: there a shortcut's storage is its own. */
export function isApple(): boolean {
  return /iP(hone|ad|od)/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
}

/** Ask the browser to keep our storage when it runs short; the answer may come without asking anybody. */
export async function protectStorage(): Promise<boolean> {
  return (await navigator.storage?.persist?.()) ?? false;
}

/** Where the store is noted outside itself, so that a wiped one is noticed. */
const canary: Canary = {
  read: () => {
    try {
      return JSON.parse(localStorage.getItem(CANARY) ?? "null") as CanaryNote | null;
    } catch {
      return null;
    }
  },
  write: (note) => {
    try {
      if (note) localStorage.setItem(CANARY, JSON.stringify(note));
      else localStorage.removeItem(CANARY);
    } catch {
      // A canary that lags is harmless.
    }
  },
};

function triggers(listener: (why: Call) => void): () => void {
  const seen = () => {
    if (document.visibilityState === "visible") listener("visible");
  };
  const online = () => listener("online");
  document.addEventListener("visibilitychange", seen);
  addEventListener("pageshow", seen);
  addEventListener("online", online);
  return () => {
    document.removeEventListener("visibilitychange", seen);
    removeEventListener("pageshow", seen);
    removeEventListener("online", online);
  };
}

async function freeMb(): Promise<number | null> {
  const found = await navigator.storage?.estimate?.();
  return found?.quota === undefined ? null : Math.floor((found.quota - (found.usage ?? 0)) / 1_048_576);
}
