// The phone's road to the server: one HTTP exchange at a time.
//
// Says three things apart: the server answered, the server declined with a problem, nobody who is the server answered. Refuses
// to know what the bytes mean, and never trusts a page only because its status is 200: that is for statements to say.

import { type Bytes, concat, fromUtf8, utf8 } from "./bytes";
import type { Problem } from "./facts";
import type { World } from "./world";

/** What a problem asks of the caller (sync/problems.py). */
export type Action = "retry" | "sign-in" | "update" | "resync" | "refuse" | "report";
const ACTIONS: readonly Action[] = ["retry", "sign-in", "update", "resync", "refuse", "report"];

/** An RFC 9457 problem document of our server. */
export type Refusal = Problem & { slug: string };

/** What came back. `whole` is false when the link broke inside the body. */
export interface Answer { status: number; headers: Headers; body: Bytes; whole: boolean; problem: Refusal | null }

/** No server of ours answered: no signal, a cut, or somebody else's page. Nothing is known of what arrived. */
export class Unreachable extends Error {
  /** `trouble` is "offline", "foreign" or "busy": what to tell the person. */
  constructor(readonly trouble: "offline" | "foreign" | "busy", message: string) { super(message); }
}

/** The server answered with a problem document. */
export class Declined extends Error {
  readonly slug: string;
  readonly action: Action;

  constructor(readonly problem: Refusal) {
    super(`${problem.slug}: ${String(problem["detail"] ?? problem["title"] ?? "")}`);
    this.slug = problem.slug;
    this.action = ACTIONS.find((action) => action === problem.action) ?? "report";
  }
}

/** A page is about `limit_bytes`; anything near this is not ours. */
export const REPLY_BYTES_MAX = 32 * 1024 * 1024;
/** An idle sync has 300 bytes; packing saves it thirty and costs both ends time. */
const PACK_FROM_BYTES = 512;
/** Silence for so long means that the link is dead, beside the time a slow one needs for what is being sent. */
const SILENCE_MS = 60_000;
const SLOWEST_BYTES_A_MS = 2;

/** Redirects are not followed: the server sends none, and a portal's must not see what is sent here. */
const HOW: RequestInit = { redirect: "manual", cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" };

/** The server at `address`. */
export class Link {
  readonly address: string;

  constructor(address: string, private readonly world: Pick<World, "fetch" | "after">) {
    this.address = address.replace(/\/+$/, "");
  }

  /** Send NDJSON, gzipped where that pays, and take whatever part of the answer arrives. Rejects with Unreachable. */
  async exchange(path: string, body: Bytes, token?: string): Promise<Answer> {
    const headers: Record<string, string> = { "content-type": "application/x-ndjson" };
    if (token) headers["authorization"] = `Bearer ${token}`;
    const packed = body.length >= PACK_FROM_BYTES ? await gzipped(body) : null;
    if (packed) headers["content-encoding"] = "gzip";
    return this.send(path, { method: "POST", headers, body: packed ?? body });
  }

  /** One JSON question. Rejects with Unreachable, Declined. */
  async ask(method: "GET" | "POST", path: string, document?: unknown): Promise<Record<string, unknown>> {
    const body = document === undefined ? {} : { body: utf8(JSON.stringify(document)) };
    const answer = await this.send(path, { method, headers: { "content-type": "application/json" }, ...body });
    if (answer.problem) throw new Declined(answer.problem);
    if (!answer.whole) throw new Unreachable("offline", "The answer was cut.");
    const found = readJson(answer.body);
    if (answer.status >= 400 || !isObject(found)) throw stranger(answer.status);
    return found;
  }

  /** Any request to the server. Takes the part of the answer that arrives; rejects with Unreachable when there is none. */
  async send(path: string, request: { method: string; headers: Record<string, string>; body?: Bytes }): Promise<Answer> {
    const watch = new Watch(this.world.after, SILENCE_MS + (request.body?.length ?? 0) / SLOWEST_BYTES_A_MS);
    try {
      const response = await this.fetch(path, request, watch.signal);
      const { body, whole } = await received(response, watch);
      return { status: response.status, headers: response.headers, body, whole, problem: problemOf(response.status, body) };
    } finally {
      watch.end();
    }
  }

  private async fetch(path: string, request: RequestInit, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await this.world.fetch(this.address + path, { ...HOW, ...request, signal });
    } catch (error) {
      throw new Unreachable("offline", String(error));
    }
    const redirected = response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400);
    if (redirected) throw new Unreachable("foreign", "Somebody sends this phone elsewhere.");
    return response;
  }
}

/** What to say of an answer that is not the server's: a proxy without its server, or somebody else's page. */
export function stranger(status: number): Unreachable {
  return new Unreachable(status >= 500 ? "busy" : "foreign", `Status ${status}, but not from the server this phone knows.`);
}

/** Ends a request that has been silent for too long. */
class Watch {
  private readonly abort = new AbortController();
  private cancel: () => void;

  constructor(private readonly after: World["after"], private readonly ms: number) {
    this.cancel = after(ms, () => this.abort.abort());
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  heard(): void {
    this.cancel();
    this.cancel = this.after(this.ms, () => this.abort.abort());
  }

  end(): void {
    this.cancel();
  }
}

async function received(response: Response, watch: Watch): Promise<{ body: Bytes; whole: boolean }> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body?.getReader();
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      watch.heard();
      chunks.push(part.value);
      bytes += part.value.length;
      if (bytes > REPLY_BYTES_MAX) {
        void reader?.cancel().catch(() => {});
        return { body: concat(...chunks), whole: false };
      }
    }
  } catch {
    return { body: concat(...chunks), whole: false };
  }
  return { body: concat(...chunks), whole: true };
}

/** The problem document of an error answer, or null when there is none that is ours. */
function problemOf(status: number, body: Bytes): Refusal | null {
  const found = status >= 400 ? readJson(body) : null;
  return isObject(found) && typeof found["slug"] === "string" ? { ...found, slug: found["slug"] } : null;
}

function readJson(body: Bytes): unknown {
  try {
    return JSON.parse(fromUtf8(body));
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The body gzipped; null where this browser cannot. */
async function gzipped(body: Bytes): Promise<Bytes | null> {
  if (typeof CompressionStream === "undefined") return null;
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
