// One browser as a test holds it in its hand: storage, clocks, tabs, and the weather between phone and server.

import { IDBFactory, IDBKeyRange } from "fake-indexeddb";
import type { Canary, CanaryNote } from "../facts";
import type { Pocket } from "../pocket";
import { DexiePocket } from "../store";
import type { Call, Channel, Locks, World } from "../world";

/** What happens to requests between phone and server; changed between them. */
export type Weather =
  | { is: "fine" }
  /** No signal. */
  | { is: "none" }
  /** The request arrives, the reply does not. */
  | { is: "reply-lost" }
  /** The reply is cut after so many bytes. */
  | { is: "reply-cut"; bytes: number }
  /** Somebody else answers everything. */
  | { is: "portal"; page: string; status?: number; headers?: Record<string, string> };

/** One browser: its storage, its clocks, its tabs. */
export class Browser {
  weather: Weather = { is: "fine" };
  /** How wrong the wall clock is. */
  offMs = 0;
  /** Paths that were asked, with the method. */
  readonly asked: string[] = [];
  /** Called before a request leaves; what it returns is the answer. */
  answer: ((path: string, request: RequestInit) => Promise<Response | null> | Response | null) | null = null;
  noted: CanaryNote | null = null;
  readonly locks = new SharedLocks();
  readonly channels = new Set<SharedChannel>();
  private readonly factory = { indexedDB: new IDBFactory(), IDBKeyRange };

  /** The world of one tab. */
  tab(change: Partial<World> = {}): World {
    return {
      fetch: (input, request) => this.send(String(input), request ?? {}),
      crypto: globalThis.crypto,
      wallMs: () => Date.now() + this.offMs,
      monoMs: () => performance.now(),
      boot: "b1",
      uniform: (low, high) => (low + high) / 2,
      after: (ms, call) => {
        const timer = setTimeout(call, ms);
        return () => clearTimeout(timer);
      },
      pocket: () => this.pocket(),
      canary: this.canary,
      locks: this.locks,
      channel: new SharedChannel(this.channels),
      triggers: () => () => {},
      app: "crew/test",
      installed: () => true,
      persisted: () => Promise.resolve(true),
      freeMb: () => Promise.resolve(812),
      ...change,
    };
  }

  pocket(): Promise<Pocket> {
    return DexiePocket.open("lamplighter", this.factory);
  }

  private readonly canary: Canary = {
    read: () => this.noted,
    write: (note) => { this.noted = note; },
  };

  private async send(url: string, request: RequestInit): Promise<Response> {
    const { pathname } = new URL(url);
    this.asked.push(`${request.method ?? "GET"} ${pathname}`);
    const answered = await this.answer?.(pathname, request);
    if (answered) return answered;
    const weather = this.weather;
    if (weather.is === "none") throw new TypeError("fetch failed");
    if (weather.is === "portal") {
      return new Response(weather.page, { status: weather.status ?? 200, headers: weather.headers ?? {} });
    }
    const response = await fetch(url, request);
    if (weather.is === "fine") return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (weather.is === "reply-lost") throw new TypeError("fetch failed");
    return new Response(brokenOff(bytes.subarray(0, weather.bytes)), { status: response.status, headers: response.headers });
  }
}

/** A body that breaks off after these bytes. */
export function brokenOff(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let given = false;
  return new ReadableStream({
    pull(controller) {
      if (given || !bytes.length) return controller.error(new TypeError("terminated"));
      given = true;
      controller.enqueue(bytes);
    },
  });
}

/** Web Locks between the tabs of one browser, as far as they are used. */
export class SharedLocks implements Locks {
  private readonly queues = new Map<string, Promise<unknown>>();
  private readonly held = new Map<string, symbol>();
  private readonly stolen = new Map<symbol, (error: Error) => void>();

  async request<T>(
    name: string, options: { ifAvailable?: boolean; steal?: boolean }, callback: (lock: unknown) => Promise<T>,
  ): Promise<T> {
    if (options.steal) {
      const holder = this.held.get(name);
      if (holder) this.stolen.get(holder)?.(new DOMException("The lock was stolen.", "AbortError"));
      return this.hold(name, callback);
    }
    if (options.ifAvailable) return this.held.has(name) ? callback(null) : this.hold(name, callback);
    while (this.held.has(name)) await this.queues.get(name)?.catch(() => {});
    return this.hold(name, callback);
  }

  private async hold<T>(name: string, callback: (lock: unknown) => Promise<T>): Promise<T> {
    const mine = Symbol(name);
    this.held.set(name, mine);
    const robbed = new Promise<never>((_, reject) => this.stolen.set(mine, reject));
    const work = Promise.race([callback({ name }), robbed]);
    this.queues.set(name, work);
    try {
      return await work;
    } finally {
      this.stolen.delete(mine);
      if (this.held.get(name) === mine) this.held.delete(name);
    }
  }
}

/** BroadcastChannel between the tabs of one browser; a tab does not hear itself. */
export class SharedChannel implements Channel {
  private readonly listeners = new Set<(event: { data: unknown }) => void>();

  constructor(private readonly all: Set<SharedChannel>) {
    all.add(this);
  }

  postMessage(message: unknown): void {
    const data: unknown = structuredClone(message);
    const others = [...this.all].filter((channel) => channel !== this).flatMap((channel) => [...channel.listeners]);
    for (const listener of others) queueMicrotask(() => listener({ data }));
  }

  addEventListener(_: "message", listener: (event: { data: unknown }) => void): void {
    this.listeners.add(listener);
  }

  removeEventListener(_: "message", listener: (event: { data: unknown }) => void): void {
    this.listeners.delete(listener);
  }
}

/** Triggers a test pulls itself. */
export class Bells {
  private readonly listeners = new Set<(why: Call) => void>();

  readonly triggers = (listener: (why: Call) => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  ring(why: Call): void {
    this.listeners.forEach((listener) => listener(why));
  }
}

/** Bytes that start like a JPEG, different for each name. */
export function jpeg(name: string, size = 2000): ArrayBuffer {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (name.codePointAt(at % name.length) ?? 0)) & 255;
  bytes.set([0xff, 0xd8, 0xff, 0xe0]);
  return bytes.buffer;
}
