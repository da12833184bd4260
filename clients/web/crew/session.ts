// The open phone, and what of it is on the screen now. A screen never keeps what it read: it is read again after every
// durable change, also one made in another tab. Only `record` may say that something was saved.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { type Label, type Phone, PhoneFault, type Saved, type Status } from "../core/types";

export const phone = signal<Phone | null>(null);
export const status = signal<Status | null>(null);
/** Names of crews and members by id. */
export const names = signal<Record<string, Label>>({});
/** The server's time as far as this phone knows it, once a second while the screen is visible: deadlines are the server's. */
export const now = signal(Date.now());
/** The newest fact that is durable, for as long as it is news. */
export const saved = signal<Saved | null>(null);
/** What could not be done, as one sentence's slug; `again` is the one button beside it. */
export const fault = signal<{ slug: string; detail: Record<string, unknown> } | null>(null);

const NEWS_MS = 12_000;
const changes = signal(0);

/** Make this the phone of every screen. Returns the end of it. */
export function adopt(opened: Phone): () => void {
  phone.value = opened;
  const heard = once(async () => {
    status.value = await opened.status();
    tick();
    names.value = await opened.names();
  });
  const changed = () => {
    changes.value += 1;
    void heard().catch(report);
  };
  const unsubscribe = opened.subscribe(changed);
  const stop = opened.run();
  const ticking = setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
  changed();
  return () => {
    unsubscribe();
    stop();
    clearInterval(ticking);
    document.removeEventListener("visibilitychange", tick);
    phone.value = null;
  };
}

function tick(): void {
  if (document.visibilityState === "visible") now.value = Date.now() + (status.value?.clockOff ?? 0);
}

/** The phone; screens are only shown when there is one. */
export function usePhone(): Phone {
  const opened = phone.value;
  if (!opened) throw new Error("no phone is open");
  return opened;
}

/** What `read` finds, read again after every change; undefined before the first answer. Changes while it reads count as one. */
export function useLive<T>(read: (phone: Phone) => Promise<T>, deps: readonly unknown[] = []): T | undefined {
  const opened = usePhone();
  const [value, setValue] = useState<T>();
  useEffect(() => {
    let wanted = true;
    const again = once(async () => {
      const found = await read(opened);
      if (wanted) setValue(() => found);
    });
    const stop = changes.subscribe(() => void again().catch(report));
    return () => {
      wanted = false;
      stop();
    };
  }, [opened, ...deps]);
  return value;
}

/** Do something that makes a fact durable, and only then call it saved; null when it was not. A fault is shown, not thrown. */
export async function record(work: (phone: Phone) => Promise<Saved>): Promise<Saved | null> {
  const done = await attempt(work);
  if (!done) return null;
  saved.value = done;
  setTimeout(() => {
    if (saved.peek() === done) saved.value = null;
  }, NEWS_MS);
  return done;
}

/** Do something with the phone; null when it could not be done, and then the fault is on the screen. */
export async function attempt<T>(work: (phone: Phone) => Promise<T>): Promise<T | null> {
  fault.value = null;
  try {
    return await work(usePhone());
  } catch (error) {
    report(error);
    return null;
  }
}

/** Forget this phone. Whoever still reads it meanwhile finds nothing, and that is no fault. */
export async function forget(opened: Phone, options: { exported: boolean }): Promise<void> {
  leaving = true;
  try {
    await opened.signOut(options);
  } catch (error) {
    leaving = false;
    throw error;
  }
}

let leaving = false;

/** Show what went wrong as a sentence. */
export function report(error: unknown): void {
  if (leaving) return;
  if (error instanceof PhoneFault) fault.value = { slug: error.slug, detail: error.detail };
  else fault.value = { slug: "unexpected", detail: { what: String(error) } };
  console.error(error);
}

/** Run `work` now; calls that come while it runs become one more run after it. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let again = false;
  const run = async () => {
    do {
      again = false;
      await work();
    } while (again);
  };
  return () => {
    again = true;
    return (running ??= run().finally(() => (running = null)));
  };
}
