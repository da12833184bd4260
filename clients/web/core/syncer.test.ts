// The loop that talks and sleeps, tabs among themselves, and what happens when the browser itself fails. The conversation with
// the real server is in e2e.test.ts; here a small one answers, so that every request and every pause is seen.

import { describe, expect, test } from "vitest";
import { toBase64url, utf8 } from "./bytes";
import type { Statement } from "./facts";
import { factId, genesis, headBytes, link as chain } from "./journal";
import { publicJwk, thumbprint, type PublicJwk } from "./keys";
import { enrolPhone, openPhone } from "./phone";
import type { Syncer } from "./syncer";
import { Bells, Browser } from "./testing/browser";
import { PhoneFault, type Phone } from "./types";
import type { World } from "./world";

type Seen = Phone & { syncer: Syncer };
const NOON = 1_795_312_800_000;

/** A server that stores every line it gets and states it, with real signatures. */
class Listener {
  /** Requests to /v1/sync. */
  heard = 0;
  /** A problem document instead of an answer. */
  refusal: { status: number; document: object } | null = null;
  after = { after_s: 100, jitter_s: 20 };
  /** Whether everything stored is in a backup too. */
  backedUp = false;
  readonly journals = new Map<string, { n: number; head: string }>();

  private constructor(private readonly key: CryptoKeyPair, private readonly jwk: PublicJwk, private readonly kid: string) {}

  static async open(): Promise<Listener> {
    const key = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const jwk = await publicJwk(crypto.subtle, key);
    return new Listener(key, jwk, await thumbprint(crypto.subtle, jwk));
  }

  readonly answer = async (path: string, request: RequestInit): Promise<Response> => {
    if (path === "/v1/enrol") return Response.json(await this.welcome(), { status: 201 });
    if (path === "/v1/token") return Response.json({ token: "t2", time: NOON });
    this.heard++;
    if (this.refusal) return Response.json(this.refusal.document, { status: this.refusal.status });
    const packed = new Headers(request.headers).get("content-encoding") === "gzip";
    const body = new Blob([request.body as Uint8Array<ArrayBuffer>]).stream();
    const text = await new Response(packed ? body.pipeThrough(new DecompressionStream("gzip")) : body).text();
    return new Response(await this.reply(text));
  };

  private async welcome(): Promise<object> {
    const listed = { kid: this.kid, use: "statement", alg: "ES256", ...this.jwk, from: 0, until: null };
    const keys = await this.sign("lamplighter-keys", { keys: [listed] });
    return { device: "d1", member: "m1", keys, root: this.jwk, token: "t1", time: NOON };
  }

  private async reply(text: string): Promise<string> {
    const [first, ...lines] = text.trimEnd().split("\n");
    const envelope = JSON.parse(first!) as { journal: string; cursor: object };
    const known = this.journals.get(envelope.journal) ?? { n: 0, head: factId(await genesis(envelope.journal)) };
    for (const line of lines) {
      known.head = factId(await chain(headBytes(known.head)!, utf8(line)));
      known.n++;
    }
    this.journals.set(envelope.journal, known);
    const statement: Statement = {
      journal: envelope.journal, ...known, time: NOON + this.heard, radius: 10, incarnation: "k1", ledger: 1, root: "r",
      durable: this.backedUp ? known.n : 0,
    };
    const end = { end: true, since: envelope.cursor, cursor: { k1: { "crew:A": 1 } }, more: false, ...this.after };
    const signed = { statement: await this.sign("lamplighter-statement", statement) };
    return `${JSON.stringify(signed)}\n${JSON.stringify(end)}\n`;
  }

  private async sign(typ: string, claims: object): Promise<string> {
    const parts = [{ alg: "ES256", typ, kid: this.kid }, claims];
    const signed = parts.map((part) => toBase64url(utf8(JSON.stringify(part)))).join(".");
    const mark = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, this.key.privateKey, utf8(signed));
    return `${signed}.${toBase64url(new Uint8Array(mark))}`;
  }
}

/** A clock that stands still until a test lets time pass, and its alarms; somebody may set it wrong meanwhile. */
class Clock {
  offMs = 0;
  private passed = 0;
  private alarms: { at: number; call: () => void }[] = [];

  get now(): number {
    return NOON + this.passed + this.offMs;
  }

  readonly wallMs = (): number => this.now;

  readonly after = (ms: number, call: () => void): (() => void) => {
    const alarm = { at: this.passed + ms, call };
    this.alarms.push(alarm);
    return () => { this.alarms = this.alarms.filter((each) => each !== alarm); };
  };

  /** Let so much time pass, ringing what is due on the way. */
  async pass(ms: number): Promise<void> {
    const end = this.passed + ms;
    for (;;) {
      await settled();
      const next = this.alarms.filter(({ at }) => at <= end).sort((one, two) => one.at - two.at)[0];
      if (!next) break;
      this.passed = Math.max(this.passed, next.at);
      this.alarms = this.alarms.filter((each) => each !== next);
      next.call();
    }
    this.passed = end;
    await settled();
  }
}

const phones: Seen[] = [];

/** Until no phone talks and whatever can go on without a clock has gone on. */
async function settled(): Promise<void> {
  do {
    for (let count = 0; count < 30; count++) await new Promise((resolve) => setImmediate(resolve));
  } while (phones.some((phone) => Reflect.get(phone.syncer, "talking") !== null));
}

interface Scene { browser: Browser; server: Listener; clock: Clock; bells: Bells; phone: Seen; world: World }

async function scene(change: Partial<World> = {}): Promise<Scene> {
  const [browser, server, clock, bells] = [new Browser(), await Listener.open(), new Clock(), new Bells()];
  browser.answer = server.answer;
  const world = browser.tab({ wallMs: clock.wallMs, after: clock.after, triggers: bells.triggers, ...change });
  const phone = (await enrolPhone(world, { address: "http://hq.example", code: "x", name: "n" })) as Seen;
  phones.push(phone);
  return { browser, server, clock, bells, phone, world };
}

const ticketOf = async (phone: Phone): Promise<string> => (await phone.raise({ kind: "hazard", address: "x" })).ticket;

describe("the loop", () => {
  test("talks when it begins, and then as often as the server likes", async () => {
    const { server, clock, phone } = await scene();
    const stop = phone.run();
    await settled();
    expect(server.heard).toBe(1);
    expect(await phone.status()).toMatchObject({ waiting: 0, syncing: "idle", nextAt: NOON + 110_000 });
    await clock.pass(109_000);
    expect(server.heard).toBe(1);
    await clock.pass(2_000);
    expect(server.heard).toBe(2);
    stop();
    await clock.pass(3_600_000);
    expect(server.heard).toBe(2);
  });

  test("sends a new fact soon, and several together", async () => {
    const { server, clock, phone } = await scene();
    const stop = phone.run();
    await settled();
    const ticket = await ticketOf(phone);
    await phone.arrive(ticket);
    await phone.note(ticket, "x");
    await clock.pass(2_500);
    expect([server.heard, (await phone.status()).waiting]).toEqual([2, 0]);
    stop();
  });

  test("waits longer after each failure, whatever is recorded meanwhile, and tells why and until when", async () => {
    const { browser, server, clock, phone } = await scene();
    browser.answer = () => { throw new TypeError("fetch failed"); };
    const stop = phone.run();
    await settled();
    const waits: number[] = [];
    for (let count = 0; count < 12; count++) {
      const { nextAt, syncing, trouble } = await phone.status();
      expect([syncing, trouble]).toEqual(["resting", "offline"]);
      waits.push((nextAt! - clock.now) / 1000);
      await ticketOf(phone);
      expect((await phone.status()).nextAt).toBe(nextAt);
      await clock.pass(nextAt! - clock.now);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 150, 150, 150, 150]); // half of the cap: drawn in the middle
    browser.answer = server.answer;
    await clock.pass(150_000);
    expect(await phone.status()).toMatchObject({ waiting: 0, trouble: null, syncing: "idle" });
    stop();
  });

  test("tries at once when a person asks, and soon when the network is back, but not before the server asked", async () => {
    const { server, clock, bells, phone } = await scene();
    server.refusal = { status: 503, document: { slug: "busy", action: "retry", retry_after_s: 40 } };
    const stop = phone.run();
    await settled();
    bells.ring("online");
    await clock.pass(39_000);
    expect(server.heard).toBe(1);
    await phone.sync("send-now");
    expect(server.heard).toBe(2);
    server.refusal = null;
    await clock.pass(60_000);
    expect(await phone.status()).toMatchObject({ waiting: 0, trouble: null });
    const before = server.heard;
    bells.ring("visible");
    await clock.pass(1_000);
    expect(server.heard).toBe(before + 1);
    stop();
  });

  test("is not put to sleep for days by a clock that is set back", async () => {
    const { server, clock, phone } = await scene();
    const stop = phone.run();
    await settled();
    clock.offMs -= 5 * 24 * 3_600_000;
    await clock.pass(200_000);
    await clock.pass(200_000);
    expect(server.heard).toBeGreaterThan(1);
    stop();
  });

  test("a server that asks for patience for days is asked again within an hour", async () => {
    const { server, clock, phone } = await scene();
    server.after = { after_s: 9_999_999, jitter_s: 0 };
    const stop = phone.run();
    await settled();
    expect((await phone.status()).nextAt).toBe(clock.now + 3_600_000);
    stop();
  });
});

describe("what a refusal asks for", () => {
  test.each([
    ["update", 426, "update"], ["sign-in", 401, "unknown-device"], ["refuse", 400, "bad-chain"], ["report", 500, "internal"],
  ])("%s keeps everything and says so", async (action, status, slug) => {
    const { server, phone } = await scene();
    await ticketOf(phone);
    server.refusal = { status, document: { slug, action } };
    await phone.sync("send-now");
    expect(await phone.status()).toMatchObject({ trouble: slug, waiting: 2, syncing: "resting" });
    server.refusal = null;
    await phone.sync("send-now");
    expect(await phone.status()).toMatchObject({ trouble: null, waiting: 0 });
  });

  test("a server that asks for the same repair for ever is left alone", async () => {
    const { server, phone } = await scene();
    server.refusal = { status: 409, document: { slug: "unknown-after", action: "resync", heads: [] } };
    await phone.sync("send-now");
    expect(server.heard).toBe(6);
    expect(await phone.status()).toMatchObject({ trouble: "internal", waiting: 1 });
  });
});

test("lines the server lost after this phone deleted them hold up nothing that comes after", async () => {
  const { server, clock, phone } = await scene();
  server.backedUp = true;
  const ticket = await ticketOf(phone);
  await phone.note(ticket, "stored, backed up, deleted here, and lost there");
  await phone.sync("send-now");
  clock.offMs += 8 * 24 * 3_600_000;
  await phone.sync("send-now");
  expect((await phone.queue()).map((item) => item.kind)).toEqual(["note"]);
  server.journals.clear();
  await phone.sync("send-now");
  expect(await phone.notices()).toMatchObject([{ slug: "server-regressed" }, { slug: "lines-missing" }]);
  await phone.note(ticket, "and on");
  await phone.sync("send-now");
  expect(await phone.status()).toMatchObject({ trouble: null, syncing: "idle" });
  expect((await phone.queue()).map((item) => item.truth)).toEqual(["waiting", "hq_has_it", "hq_has_it"]);
});

describe("two tabs", () => {
  async function tabs(): Promise<Scene & { other: Seen }> {
    const first = await scene();
    const world = first.browser.tab({ wallMs: first.clock.wallMs, after: first.clock.after });
    const found = await openPhone(world);
    if (found.state !== "ready") throw new Error(found.state);
    const other = found.phone as Seen;
    phones.push(other);
    return { ...first, other };
  }

  test("talk in turns rather than both", async () => {
    const { server, clock, phone, other } = await tabs();
    const stops = [phone.run(), other.run()];
    await settled();
    const begun = server.heard;
    await clock.pass(550_000);
    expect(server.heard - begun).toBe(5);
    stops.forEach((stop) => stop());
  });

  test("show the same pill", async () => {
    const { browser, clock, phone, other } = await tabs();
    const stops = [phone.run(), other.run()];
    await settled();
    browser.answer = () => { throw new TypeError("fetch failed"); };
    await clock.pass(300_000);
    const { trouble, syncing } = await phone.status();
    expect(trouble).toBe("offline");
    expect(await other.status()).toMatchObject({ trouble, syncing });
    stops.forEach((stop) => stop());
  });

  test("the other one goes on when the talking one is closed", async () => {
    const { server, clock, phone, other } = await tabs();
    const [stopFirst, stopOther] = [phone.run(), other.run()];
    await settled();
    stopFirst();
    const before = server.heard;
    await clock.pass(130_000);
    expect(server.heard).toBeGreaterThan(before);
    stopOther();
  });
});

describe("a browser that fails", () => {
  test("a store that refuses a fact is not taken for one that kept it, and the next fact joins on", async () => {
    const browser = new Browser();
    const server = await Listener.open();
    browser.answer = server.answer;
    let broken: unknown = null;
    const world = browser.tab({ pocket: async () => {
      const pocket = await browser.pocket();
      return new Proxy(pocket, { get: (target, name) => {
        if (name === "commit" && broken) return () => Promise.reject(broken);
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      } });
    } });
    const phone = await enrolPhone(world, { address: "http://hq.example", code: "x", name: "n" });
    const ticket = await ticketOf(phone);
    for (const fault of [new PhoneFault("not-saved", "the disk broke"), new Error("something else broke")]) {
      broken = fault;
      await expect(phone.note(ticket, "lost")).rejects.toMatchObject({ slug: "not-saved" });
    }
    broken = null;
    await phone.note(ticket, "kept");
    await phone.sync("send-now");
    expect(await phone.status()).toMatchObject({ waiting: 0, trouble: null });
    expect((await phone.queue()).map((item) => item.kind)).toEqual(["opening", "raised", "note"]);
  });

  test("a screen that fails while it is told stops neither recording nor sending", async () => {
    const { phone } = await scene();
    const failures: unknown[] = [];
    const caught = (error: unknown): unknown => failures.push(error);
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException").on("uncaughtException", caught);
    phone.subscribe(() => { throw new Error("a screen's own fault"); });
    await ticketOf(phone);
    await phone.sync("send-now");
    await settled();
    process.off("uncaughtException", caught);
    before.forEach((listener) => process.on("uncaughtException", listener));
    expect(await phone.status()).toMatchObject({ waiting: 0, trouble: null });
    expect(failures.length).toBeGreaterThan(0);
  });

  test("without locks, channels and compression it works as one tab", async () => {
    const { server, phone } = await scene({ locks: null, channel: null });
    const kept = globalThis.CompressionStream;
    Reflect.deleteProperty(globalThis, "CompressionStream");
    try {
      const ticket = await ticketOf(phone);
      await phone.note(ticket, "x".repeat(1500));
      await phone.sync("send-now");
    } finally {
      globalThis.CompressionStream = kept;
    }
    expect(await phone.status()).toMatchObject({ waiting: 0, trouble: null });
    expect(server.heard).toBe(1);
  });
});

