// A crew's phone against the real server. Run by tests/web/test_core.py, which starts one; alone, there is nobody to talk to.

import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { sha256Hex } from "./bytes";
import { type Answers, answersOf, fault, next, offered, progress } from "./guide";
import { MemoryPocket } from "./memory";
import { enrolPhone, openPhone } from "./phone";
import type { Pocket } from "./pocket";
import type { Syncer } from "./syncer";
import { Browser, jpeg } from "./testing/browser";
import type { AnswerValue, Guide, Moment, Phone, PhoneFault, QueueItem, Saved, Step, TicketView } from "./types";
import type { World } from "./world";

const address = process.env["LAMPLIGHTER_ADDRESS"] ?? "";
const control = process.env["LAMPLIGHTER_CONTROL"] ?? "";
const HOUR_MS = 3_600_000;

// ------------------------------------------------------------------------------------------------------------- the scene

/** The office's side, over HTTP as everybody's. */
const office = {
  async ask<T>(path: string, content?: object): Promise<T> {
    const headers = { authorization: `Bearer ${process.env["LAMPLIGHTER_OFFICE_TOKEN"]}` };
    const body = content instanceof Blob ? content : JSON.stringify(content);
    const response = await fetch(address + path, content ? { method: "POST", headers, body } : { headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  },
  async code(member = "m1"): Promise<string> {
    return (await office.ask<{ code: string }>("/v1/enrol-codes", { member })).code;
  },
  async ticket(crew = "A", fields: object = {}): Promise<string> {
    const body = { kind: "fault_repair", address: "柳巷18号", area_class: "urban", ...fields };
    const { id } = await office.ask<{ id: string }>("/v1/tickets", body);
    await office.command(id, "assign", { crew });
    return id;
  },
  command: (ticket: string, command: string, body: object = {}) => office.ask(`/v1/tickets/${ticket}/${command}`, body),
  async view(ticket: string): Promise<TicketView> {
    return (await office.ask<{ ticket: TicketView }>(`/v1/tickets/${ticket}`)).ticket;
  },
  async feed(kind: string): Promise<{ id: string; put: Record<string, unknown> }[]> {
    const headers = { authorization: `Bearer ${process.env["LAMPLIGHTER_HQ_TOKEN"]}` };
    const text = await (await fetch(`${address}/v1/hq/feed`, { headers })).text();
    type Row = { id: string; kind?: string; put: Record<string, unknown> };
    const lines = text.trim().split("\n").map((line) => JSON.parse(line) as Row);
    return lines.filter((line) => line.kind === kind && line.put);
  },
  /** How many lines of this phone the server has, over all its journals. */
  async lines(phone: Phone): Promise<number> {
    const { devices } = await office.ask<{ devices: { device: string; stored_n: number }[] }>("/v1/hq/devices");
    return devices.filter((row) => row.device === phone.device).reduce((sum, row) => sum + row.stored_n, 0);
  },
};

/** What only the machine's owner can do to the server: stop, start, rotate. */
const machine = (what: "stop" | "start" | "rotate") => fetch(`${control}/${what}`, { method: "POST" });

type Seen = Phone & { syncer: Syncer };

async function enrolled(browser: Browser, { member = "m1", world = browser.tab() } = {}): Promise<Seen> {
  return (await enrolPhone(world, { address, code: await office.code(member), name: "test" })) as Seen;
}

async function opened(world: World): Promise<Seen> {
  const found = await openPhone(world);
  if (found.state !== "ready") throw new Error(`not ready but ${found.state}`);
  return found.phone as Seen;
}

/** A newly enrolled phone that has seen its tickets, and one of them. */
async function scene(member = "m1"): Promise<{ browser: Browser; phone: Seen; ticket: string }> {
  const browser = new Browser();
  const [ticket, phone] = [await office.ticket(), await enrolled(browser, { member })];
  await synced(phone);
  return { browser, phone, ticket };
}

/** One conversation that must end well. */
async function synced(phone: Seen): Promise<void> {
  await phone.sync("send-now");
  if (phone.syncer.fault) throw phone.syncer.fault;
}

/** One conversation that must not, with what the pill says of it. */
async function failed(phone: Seen): Promise<string | null> {
  await phone.sync("send-now");
  expect(phone.syncer.fault).not.toBeNull();
  return (await phone.status()).trouble;
}

async function work(phone: Phone, ticket: string): Promise<void> {
  await phone.accept(ticket);
  await phone.depart(ticket);
  await phone.arrive(ticket, { no_fix_reason: "indoors" });
  await phone.start(ticket);
  await phone.answer(ticket, { guide: "g", guide_version: 1, step: "voltage", value: 231.5, unit: "V" });
  await phone.note(ticket, "更换熔断器");
  await phone.finish(ticket, { result: "done" });
}

/** Some answer that the step itself suggests. */
function valueFor(guide: Guide, step: Step, answers: Answers): AnswerValue {
  const [first] = step.list ? offered(guide, step, answers) : [];
  const number = step.normal ? Math.round((step.normal[0] + step.normal[1]) / 2) : 1;
  const values: Partial<Record<Step["type"], AnswerValue>> = {
    tick: true, choice: first?.name ?? "", choices: [first?.name ?? ""], number, signature: "0".repeat(64),
  };
  return values[step.type] ?? "x";
}

const words = async (phone: Phone): Promise<Set<string>> => new Set((await phone.queue()).map((item) => item.truth));
const photos = async (phone: Phone): Promise<QueueItem[]> =>
  (await phone.queue()).filter((item) => item.kind === "photo_bytes");
const visitOf = (view: TicketView, saved: Saved) => view.visits![saved.visit!]!;
const requests = (browser: Browser, method: string, path: RegExp): number =>
  browser.asked.filter((asked) => asked.startsWith(method) && path.test(asked)).length;

// --------------------------------------------------------------------------------------------------------------- the tests

describe.skipIf(!address)("a crew's phone and the real server (LAMPLIGHTER_ADDRESS names it)", () => {
  test("a whole job in flight mode is on the phone at once and at HQ after one sync", async () => {
    const { browser, phone, ticket } = await scene();
    browser.weather = { is: "none" };
    await phone.accept(ticket, { eta_min: 20 });
    await phone.depart(ticket);
    const arrived = await phone.arrive(ticket, { fix: { lat: 27.94921, lon: 116.35812, acc_m: 9, age_ms: 1200 } });
    await phone.start(ticket);
    await phone.correctPosition(ticket, { fix: { lat: 27.9492, lon: 116.3581, acc_m: 4 } });
    await phone.answer(ticket, { guide: "g", guide_version: 1, step: "voltage", value: 231.5, unit: "V" });
    const shots = ["before", "meter", "after", "document"].map((shows) => ({ shows, original: jpeg(shows, 5000) }));
    for (const { shows, original } of shots) await phone.photo(ticket, { original, type: "image/jpeg" }, { shows });
    await phone.material(ticket, { name: "熔断器", quantity: 1, unit: "只" });
    await phone.amend(ticket, { contact_phone: "13900000000" });
    await phone.suspend(ticket, "等配件");
    await phone.resume(ticket);
    await phone.finish(ticket, { result: "done", cause: "fuse" });
    const opening = await phone.openRating(ticket);
    const rated = await phone.closeRating(opening, { overall: 4, comment: "师傅很快，谢谢！" });

    const shown = (await phone.ticket(ticket))!;
    expect(shown).toMatchObject({ state: "completed", contact_phone: "13900000000" });
    expect(Object.keys(shown.visits!)).toEqual([arrived.visit]);
    expect((await office.view(ticket)).state).toBe("dispatched");
    expect(await failed(phone)).toBe("offline");
    expect(await phone.status()).toMatchObject({ waiting: 17, photosWaiting: 4, needsYou: 0, syncing: "resting" });

    browser.weather = { is: "fine" };
    await synced(phone);
    const view = await office.view(ticket);
    expect(view).toMatchObject({ state: "completed", contact_phone: "13900000000" });
    expect(visitOf(view, arrived).arrived).toMatchObject({ fact: arrived.fact, fix: { lat: 27.94921 } });
    const hashes = await Promise.all(shots.map(({ original }) => sha256Hex(original)));
    expect(visitOf(view, arrived).photos!.map((photo) => photo["sha256"])).toEqual(hashes);
    expect(Object.keys(view["photos_received"] as object).sort()).toEqual([...hashes].sort());
    expect((await phone.ticket(ticket))!.visits).toEqual(view.visits);
    expect(await words(phone)).toEqual(new Set(["hq_has_it"]));
    expect(await phone.status()).toMatchObject({ waiting: 0, photosWaiting: 0, trouble: null, syncing: "idle", percent: null });
    const rating = (await office.feed("rating")).find((row) => row.id === rated.fact);
    expect(rating?.put["answer"]).toMatchObject({ overall: 4, comment: "师傅很快，谢谢！" });
  });

  test("a rating is nowhere on the phone in the clear", async () => {
    const { phone, ticket, browser } = await scene();
    await phone.finish(ticket);
    await phone.closeRating(await phone.openRating(ticket), { overall: 2, comment: "SECRET-WORDS" });
    const pocket = await browser.pocket();
    const lines = (await pocket.held())!.state.journals.map((own) => pocket.lines(own.id, 1, own.n));
    const text = JSON.stringify([await phone.queue(), await phone.ticket(ticket)])
      + (await Promise.all(lines)).flat().map((line) => new TextDecoder().decode(line.raw)).join("\n");
    expect(text).toContain('"kind":"rating"');
    expect(text).not.toMatch(/SECRET|overall/);
  });

  test("what the customer did not answer is visible too", async () => {
    const { phone, ticket } = await scene();
    await phone.finish(ticket);
    const opening = await phone.openRating(ticket);
    await phone.closeRating(opening, null, { result: "away", reason: "门口无人" });
    await synced(phone);
    expect(visitOf(await office.view(ticket), opening).rating).toMatchObject({ result: "away", reason: "门口无人" });
  });

  test("the words of truth follow the journal", async () => {
    const browser = new Browser();
    const [ticket, phone] = [await office.ticket(), await enrolled(browser)];
    expect(await words(phone)).toEqual(new Set(["saved"]));
    await synced(phone);
    expect(await words(phone)).toEqual(new Set(["hq_has_it"]));
    const saved = await phone.accept(ticket);
    expect((await phone.truths(ticket)).get(saved.fact)).toBe("waiting");
    let during: string | undefined;
    browser.answer = async (path) => {
      if (path === "/v1/sync") during ??= (await phone.truths(ticket)).get(saved.fact);
      return null;
    };
    await synced(phone);
    expect(during).toBe("sending");
    expect((await phone.truths(ticket)).get(saved.fact)).toBe("hq_has_it");
  });

  test("a second round of work after a rework is a new visit; until then all words are of one", async () => {
    const { phone, ticket } = await scene();
    const begun = await phone.accept(ticket);
    const later = [await phone.arrive(ticket), await phone.note(ticket, "x"), await phone.finish(ticket)];
    expect(new Set(later.map((saved) => saved.visit))).toEqual(new Set([begun.visit]));
    await synced(phone);
    await office.command(ticket, "reopen", { reason: "still dark" });
    await synced(phone);
    const second = await phone.accept(ticket);
    expect(second.visit).not.toBe(begun.visit);
    expect((await phone.finish(ticket)).visit).toBe(second.visit);
  });

  test("crew mates who see each other work in one visit", async () => {
    const [one, two] = [await scene("m1"), new Browser()];
    const begun = await one.phone.arrive(one.ticket);
    await synced(one.phone);
    const mate = await enrolled(two, { member: "m2" });
    await synced(mate);
    expect(mate.visit((await mate.ticket(one.ticket))!)?.id).toBe(begun.visit);
    expect((await mate.note(one.ticket, "扶梯")).visit).toBe(begun.visit);
  });

  test("a guide that came as a spreadsheet leads through a visit to its end", async () => {
    const form = await readFile(new URL("../../demo/district/guides/lv-outage.xlsx", import.meta.url));
    await office.ask("/v1/import/guide", new Blob(["{}\n", form]));
    const { phone, ticket } = await scene();
    const guide = (await phone.guideFor((await phone.ticket(ticket))!))!;
    expect(guide).toMatchObject({ guide: "lv-outage", superseded: false });
    const seen: string[] = [];
    for (let step = next(guide, null); step && seen.length < 50;) {
      seen.push(step.id);
      const body = { guide: guide.guide, guide_version: guide.version, step: step.id };
      const answers = answersOf(phone.visit((await phone.ticket(ticket))!)?.visit);
      const value = valueFor(guide, step, answers);
      if (step.type === "photo") await phone.photo(ticket, { original: jpeg(step.id), type: "image/jpeg" }, { step: step.id });
      else if (fault(guide, step, value, answers)) await phone.answer(ticket, { ...body, cannot_reason: "现场无法完成" });
      else await phone.answer(ticket, { ...body, value });
      const { visit } = phone.visit((await phone.ticket(ticket))!)!;
      step = next(guide, visit);
      if (!step) expect(progress(guide, visit).missing).toEqual([]);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThan(5);
    await synced(phone);
    const [visit] = Object.values((await office.view(ticket)).visits!);
    expect(Object.keys(visit!.answers!).every((id) => seen.includes(id))).toBe(true);
    expect(await phone.guideFor((await phone.ticket(ticket))!)).toEqual(guide);
  });

  test("the phone knows the names of crews and members, and its station", async () => {
    const { phone } = await scene();
    expect(await phone.names()).toMatchObject({ A: { zh: "甲班", en: "Crew A" }, m1: { zh: "李明", en: "Li Ming" } });
    expect(await phone.station("s1")).toMatchObject({ id: "s1", name: { zh: "柳巷供电所" } });
    expect(await phone.station(undefined)).toMatchObject({ id: "s1" }); // a ticket without one: the phone's own
  });

  test("a ticket raised in the field is worked on before anybody else knows it", async () => {
    const { phone } = await scene();
    const raised = await phone.raise({ kind: "hazard", address: "桥头", description: "断线" });
    await work(phone, raised.ticket);
    expect((await phone.tickets()).find((view) => view.id === raised.ticket)?.state).toBe("completed");
    await synced(phone);
    expect(await office.view(raised.ticket)).toMatchObject({ state: "completed", address: "桥头" });
  });

  test("what does not fit its kind is refused, and the next fact is saved", async () => {
    const { phone, ticket } = await scene();
    await expect(phone.note(ticket, "x".repeat(17_000))).rejects.toMatchObject({ slug: "bad-value" });
    await expect(phone.giveBack(ticket, { reason: "no-such-reason" as "other" })).rejects.toMatchObject({ slug: "bad-value" });
    await expect(phone.arrive("no-such-ticket")).rejects.toMatchObject({ slug: "bad-value" });
    const [empty, huge] = [0, 25 * 1024 * 1024].map((size) => ({ original: new ArrayBuffer(size), type: "" }));
    await expect(phone.photo(ticket, empty!)).rejects.toMatchObject({ slug: "photo-empty" });
    await expect(phone.photo(ticket, huge!)).rejects.toMatchObject({ slug: "photo-too-large", detail: { mb: 25, max_mb: 24 } });
    await phone.note(ticket, "after");
    await synced(phone);
    expect(await office.lines(phone)).toBe(2);
  });

  // ---------------------------------------------------------------------------------------------------------- bad weather

  test("a push whose reply was lost is not stored twice", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.arrive(ticket);
    browser.weather = { is: "reply-lost" };
    expect(await failed(phone)).toBe("offline");
    expect([(await phone.status()).waiting, await office.lines(phone)]).toEqual([1, 2]);
    browser.weather = { is: "fine" };
    await synced(phone);
    expect([(await phone.status()).waiting, await office.lines(phone)]).toEqual([0, 2]);
  });

  test("a reply that is cut anywhere states what its statement says, and the rest comes next time", async () => {
    const { browser, phone, ticket } = await scene();
    for (const bytes of [0, 1, 200, 700, 1200, 2000]) {
      await phone.note(ticket, `before the cut at ${bytes}`);
      await office.command(ticket, "correct", { set: { remarks: `${bytes} ${"x".repeat(1500)}` } });
      browser.weather = { is: "reply-cut", bytes };
      await failed(phone);
      browser.weather = { is: "fine" };
      await synced(phone);
      expect((await phone.ticket(ticket))!.remarks).toMatch(new RegExp(`^${bytes} `));
    }
    expect((await phone.ticket(ticket))!.visits).toEqual((await office.view(ticket)).visits);
  });

  test.each([
    ["a page", { page: "<html>Welcome to Free WiFi</html>" }],
    ["an empty page", { page: "" }],
    ["JSON of somebody", { page: "{}\n" }],
    ["a forged reply", { page: '{"statement":"a.b.c"}\n{"end":true,"since":{},"cursor":{}}\n' }],
    ["a redirection", { page: "", status: 302, headers: { location: "http://portal.example/" } }],
    ["a refusal", { page: "<html>Forbidden</html>", status: 403 }],
    ["a proxy without its server", { page: "<html>Bad gateway</html>", status: 502 }],
  ] as [string, { page: string; status?: number; headers?: Record<string, string> }][])(
    "%s instead of the server states nothing and loses nothing", async (_, page) => {
    const { browser, phone, ticket } = await scene();
    await phone.photo(ticket, { original: jpeg("portal"), type: "image/jpeg" });
    const before = await (await browser.pocket()).rows();
    browser.weather = { is: "portal", ...page };
    expect(await failed(phone)).toBe(page.status === 502 ? "busy" : "foreign");
    expect(await failed(phone)).toBe(page.status === 502 ? "busy" : "foreign");
    expect(await phone.status()).toMatchObject({ waiting: 1, photosWaiting: 1 });
    expect(await (await browser.pocket()).rows()).toEqual(before);
    browser.weather = { is: "fine" };
    await synced(phone);
    expect(await phone.status()).toMatchObject({ waiting: 0, photosWaiting: 0 });
  });

  test("a portal that only wants the photos gets no photo and marks none", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.photo(ticket, { original: jpeg("wanted"), type: "image/jpeg" });
    browser.answer = (path) => (path.startsWith("/v1/photos") ? new Response("<html></html>", { status: 200 }) : null);
    expect(await failed(phone)).toBe("foreign");
    expect(await photos(phone)).toMatchObject([{ truth: "waiting", percent: 0 }]);
    browser.answer = null;
    await synced(phone);
    expect(await photos(phone)).toMatchObject([{ truth: "hq_has_it", percent: 100 }]);
  });

  test("a server that is busy is left alone for as long as it asks, and longer after every failure", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.arrive(ticket);
    const busy = JSON.stringify({ slug: "busy", action: "retry", retry_after_s: 40, status: 503 });
    browser.answer = () => new Response(busy, { status: 503, headers: { "content-type": "application/problem+json" } });
    const waits: number[] = [];
    for (let count = 0; count < 4; count++) {
      expect(await failed(phone)).toBe("busy");
      waits.push(Math.round(((await phone.status()).nextAt! - Date.now()) / 1000));
    }
    expect(waits).toEqual([41, 42, 44, 48]); // drawn at the middle of the jitter
    browser.answer = null;
    const again = await opened(browser.tab());
    browser.weather = { is: "none" };
    await failed(again);
    expect(Math.round(((await again.status()).nextAt! - Date.now()) / 1000)).toBe(16); // not forgotten by restarting
    browser.weather = { is: "fine" };
    await synced(again);
    expect((await office.view(ticket)).state).toBe("on_site");
  });

  test("a server that is stopped and started again has everything in the end", async () => {
    const { phone, ticket } = await scene();
    await work(phone, ticket);
    await machine("stop");
    expect(await failed(phone)).toBe("offline");
    await machine("start");
    await synced(phone);
    expect((await office.view(ticket)).state).toBe("completed");
  });

  // ---------------------------------------------------------------------------------------------------- trust and clocks

  test.each(["expired", "lost", "nobody's"])("a token that is %s is renewed by the device's key", async (how) => {
    const { browser, phone, ticket } = await scene();
    const pocket = await browser.pocket();
    const token = how === "expired" ? process.env["LAMPLIGHTER_EXPIRED_TOKEN"] : how === "lost" ? undefined : "x.y.z";
    await pocket.setSettings({ token });
    await phone.arrive(ticket);
    await synced(phone);
    expect((await phone.status()).waiting).toBe(0);
    expect(await pocket.setting("token")).not.toBe(token);
    await office.command(ticket, "correct", { set: { remarks: "pulled with the new token" } });
    await synced(phone);
    expect((await phone.ticket(ticket))!.remarks).toBe("pulled with the new token");
  });

  test.each([
    ["of 1970", -Date.now()], ["three days ahead", 72 * HOUR_MS], ["a year behind", -400 * 24 * HOUR_MS],
    ["of 2150", 124 * 365 * 24 * HOUR_MS],
  ])("a clock %s keeps nobody from working, signing in and sending photos", async (_, offMs) => {
    const browser = new Browser();
    browser.offMs = offMs;
    const [ticket, phone] = [await office.ticket(), await enrolled(browser)];
    const pocket = await browser.pocket();
    await pocket.setSettings({ token: undefined });
    await synced(phone);
    await work(phone, ticket);
    await phone.photo(ticket, { original: jpeg("late"), type: "image/jpeg" });
    await pocket.setSettings({ token: undefined });
    await synced(phone);
    const status = await phone.status();
    expect(status).toMatchObject({ waiting: 0, photosWaiting: 0 });
    expect(Math.abs(status.clockOff + offMs)).toBeLessThan(60_000);
    const view = await office.view(ticket);
    const arrived = Object.values(view.visits!)[0]!.arrived as Moment & { lower: number; upper: number };
    expect(arrived.lower).toBeLessThanOrEqual(arrived.at);
    expect(arrived.at).toBeLessThanOrEqual(arrived.upper);
  });

  test("statements by a newer key are believed after fetching the list the root signed", async () => {
    const { phone, ticket, browser } = await scene();
    await machine("rotate");
    await phone.arrive(ticket);
    await synced(phone);
    expect(requests(browser, "GET", /\/v1\/keys/)).toBe(1);
    await phone.note(ticket, "and kept");
    await synced(await opened(browser.tab()));
    expect(requests(browser, "GET", /\/v1\/keys/)).toBe(1);
  });

  test("a revoked phone still hands over what it recorded", async () => {
    const { phone, ticket } = await scene();
    await phone.arrive(ticket);
    await phone.photo(ticket, { original: jpeg("revoked"), type: "image/jpeg" });
    await office.ask(`/v1/devices/${phone.device}/revoke`, {});
    expect(await failed(phone)).toBe("forbidden");
    expect((await phone.status()).waiting).toBe(0);
    expect(await office.lines(phone)).toBe(3);
  });

  test("a code works once, and another server than the one on the QR code is refused", async () => {
    const code = await office.code();
    const pin = "x".repeat(43);
    const browser = new Browser();
    const slug = (invitation: { code: string; pin?: string }): Promise<unknown> =>
      enrolPhone(browser.tab(), { address, name: "x", ...invitation })
        .then(() => "enrolled", (fault: PhoneFault) => fault.slug);
    expect(await slug({ code: "AAAAA-AAAAA" })).toBe("bad-code");
    expect(await slug({ code, pin })).toBe("foreign-server");
    expect(await slug({ code })).toBe("bad-code");
    browser.weather = { is: "none" };
    expect(await slug({ code })).toBe("unreachable");
    browser.weather = { is: "portal", page: "<html></html>" };
    expect(await slug({ code })).toBe("foreign-server");
    expect(await openPhone(browser.tab())).toEqual({ state: "fresh" });
  });

  // ------------------------------------------------------------------------------------------------- the office meanwhile

  test("a job given to another crew says so, and what was recorded counts", async () => {
    const { phone, ticket } = await scene();
    const arrived = await phone.arrive(ticket);
    await phone.photo(ticket, { original: jpeg("mine"), type: "image/jpeg" });
    await office.command(ticket, "transfer", { crew: "B" });
    await synced(phone);
    expect(visitOf(await office.view(ticket), arrived)).toMatchObject({ crew: "A", arrived: { fact: arrived.fact } });
    expect((await phone.tickets()).map((view) => view.id)).not.toContain(ticket);
    expect(await phone.notices()).toMatchObject([{ slug: "reassigned", ticket, crew: "B" }]);
    await phone.dismissNotice(0);
    expect(await phone.notices()).toEqual([]);
    expect(await photos(phone)).toMatchObject([{ truth: "hq_has_it" }]);
  });

  test("a fact the server sets aside needs somebody, and says why", async () => {
    const browser = new Browser();
    const [foreign, phone] = [await office.ticket("B"), await enrolled(browser)];
    await synced(phone);
    const raised = await phone.raise({ kind: "hazard", address: "x" });
    const pocket = await browser.pocket();
    await (phone as unknown as { parts: { replica: { record: (...all: unknown[]) => Promise<unknown> } } }).parts.replica
      .record("note", { wall: Date.now(), mono: 1, boot: "b" }, { ticket: foreign, visit: "v-1", body: { text: "x" } });
    await synced(phone);
    const item = (await phone.queue()).find((one) => one.ticket === foreign);
    expect(item).toMatchObject({ truth: "needs_you", why: "foreign-ticket" });
    expect((await phone.status()).needsYou).toBe(1);
    expect((await pocket.row(["ticket", raised.ticket]))?.put["state"]).toBeDefined();
  });

  // ------------------------------------------------------------------------------------------------------------ old copies

  test("a store put back from an old copy begins a new journal, and both are kept", async () => {
    const browser = new Browser();
    const memory = new MemoryPocket();
    const world = browser.tab({ pocket: () => Promise.resolve(memory as Pocket) });
    const [ticket, phone] = [await office.ticket(), await enrolled(browser, { world })];
    await synced(phone);
    await phone.accept(ticket);
    const copy = memory.snapshot();
    await phone.arrive(ticket);
    await synced(phone);
    memory.restore(copy);
    const restored = await opened(world);
    expect(await restored.notices()).toMatchObject([{ slug: "restored" }]);
    await restored.note(ticket, "after the restore");
    await synced(restored);
    const visit = Object.values((await office.view(ticket)).visits!)[0]!;
    expect(visit).toMatchObject({ accepted: {}, arrived: {}, notes: [{ text: "after the restore" }] });
  });

  test("a whole browser put back is found out by the server, and both branches are kept", async () => {
    const browser = new Browser();
    const memory = new MemoryPocket();
    const world = browser.tab({ pocket: () => Promise.resolve(memory as Pocket) });
    const [ticket, phone] = [await office.ticket(), await enrolled(browser, { world })];
    await synced(phone);
    await phone.accept(ticket);
    const [copy, noted] = [memory.snapshot(), browser.noted];
    await phone.arrive(ticket);
    await synced(phone);
    memory.restore(copy);
    browser.noted = noted;
    const restored = await opened(world);
    await restored.note(ticket, "another way on");
    await synced(restored);
    expect(await restored.notices()).toMatchObject([{ slug: "fork" }]);
    await restored.note(ticket, "in the new journal");
    await synced(restored);
    const visit = Object.values((await office.view(ticket)).visits!)[0]!;
    expect(visit.arrived).toBeDefined();
    expect(visit.notes!.map((note) => note["text"])).toEqual(["another way on", "in the new journal"]);
  });

  test("a wiped store is detected, and the phone can be enrolled anew", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.arrive(ticket);
    const pocket = await browser.pocket();
    await pocket.erase((await pocket.held())!.revision);
    expect(await openPhone(browser.tab())).toEqual({ state: "wiped", device: phone.device, n: 2, stated: 1 });
    const anew = await enrolled(browser);
    await synced(anew);
    expect(anew.device).not.toBe(phone.device);
    expect((await opened(browser.tab())).device).toBe(anew.device);
  });

  // ---------------------------------------------------------------------------------------------------------------- photos

  test("previews of all photos go first, then copies, then originals", async () => {
    const { browser, phone, ticket } = await scene();
    for (const name of ["one", "two"]) {
      const smaller = { preview: jpeg(`${name}-p`, 700), copy: jpeg(`${name}-c`, 3000) };
      await phone.photo(ticket, { original: jpeg(name, 9000), type: "image/jpeg", ...smaller }, { shows: "before" });
    }
    const sizes: number[] = [];
    browser.answer = (path, request) => {
      const length = new Headers(request.headers).get("upload-length");
      if (path === "/v1/photos" && length) sizes.push(Number(length));
      return null;
    };
    await synced(phone);
    expect(sizes).toEqual([700, 700, 3000, 3000, 9000, 9000]);
    expect(await photos(phone)).toMatchObject([{ truth: "hq_has_it", size_bytes: 12_700 }, { truth: "hq_has_it" }]);
    const [first] = await photos(phone);
    expect((await phone.picture(first!.sha256!))?.size).toBe(700);
  });

  test("a photo goes on where the link broke, also after the app was closed", async () => {
    const { browser, phone, ticket } = await scene();
    const original = jpeg(`large ${ticket}`, 1_400_000);
    await phone.photo(ticket, { original, type: "image/jpeg" });
    let patches = 0;
    browser.answer = (_, request) => {
      if (request.method === "PATCH" && ++patches > 2) throw new TypeError("fetch failed");
      return null;
    };
    expect(await failed(phone)).toBe("offline");
    const [item] = await photos(phone);
    expect(item).toMatchObject({ truth: "sending", percent: 37 });
    browser.answer = null;
    const again = await opened(browser.tab());
    await synced(again);
    expect(await photos(again)).toMatchObject([{ truth: "hq_has_it", percent: 100 }]);
    expect(requests(browser, "POST", /\/v1\/photos$/)).toBe(1);
    expect(requests(browser, "PATCH", /./)).toBe(3 + 4);
    expect(Object.keys((await office.view(ticket))["photos_received"] as object)).toEqual([await sha256Hex(original)]);
  });

  test("an upload whose last reply was lost is found complete", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.photo(ticket, { original: jpeg("whole", 100_000), type: "image/jpeg" });
    browser.answer = async (path, request) => {
      if (request.method !== "PATCH") return null;
      await fetch(address + path, request);
      throw new TypeError("fetch failed");
    };
    await failed(phone);
    browser.answer = null;
    await synced(phone);
    expect(await photos(phone)).toMatchObject([{ truth: "hq_has_it" }]);
    expect(requests(browser, "PATCH", /./)).toBe(1);
  });

  test("an upload the server forgot is created again", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.photo(ticket, { original: jpeg("forgotten"), type: "image/jpeg" });
    const pocket = await browser.pocket();
    const [form] = await pocket.photos();
    await pocket.setUpload(form!.sha256, `/v1/photos/${form!.sha256}-gone`, 100);
    await synced(phone);
    expect(await photos(phone)).toMatchObject([{ truth: "hq_has_it" }]);
  });

  test("one photo the server does not take holds up no other, and says why", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.photo(ticket, { original: jpeg("one"), type: "image/jpeg" });
    await phone.photo(ticket, { original: jpeg("two"), type: "image/jpeg" });
    const [first] = await (await browser.pocket()).photos();
    const spoilt = async (sha256: string) => (sha256 === first!.sha256 ? new ArrayBuffer(first!.size) : jpeg("two"));
    const world = browser.tab({ pocket: async () => {
      const pocket = await browser.pocket();
      return new Proxy(pocket, { get: (target, name) =>
        name === "bytes" ? spoilt : (Reflect.get(target, name) as (...all: unknown[]) => unknown)?.bind?.(target) });
    } });
    const again = await opened(world);
    await synced(again);
    expect(await photos(again)).toMatchObject([{ truth: "needs_you", why: "bad-hash" }, { truth: "hq_has_it" }]);
    expect((await again.status()).needsYou).toBe(1);
    const sent = requests(browser, "POST", /\/v1\/photos$/);
    await again.sync("timer");
    expect(requests(browser, "POST", /\/v1\/photos$/)).toBe(sent); // nobody asked for it
    await synced(await opened(browser.tab())); // with its true bytes it is taken after all
    expect(await photos(again)).toMatchObject([{ truth: "hq_has_it" }, { truth: "hq_has_it" }]);
  });

  test("a fact recorded while a large photo travels does not wait for it", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.photo(ticket, { original: jpeg(`large ${ticket}`, 1_400_000), type: "image/jpeg" });
    let recorded: Saved | null = null;
    let sentAfter = -1;
    browser.answer = async (path, request) => {
      if (request.method === "PATCH" && !recorded) recorded = await phone.finish(ticket);
      if (path === "/v1/sync" && recorded && sentAfter < 0) sentAfter = requests(browser, "PATCH", /./);
      return null;
    };
    await synced(phone);
    expect(sentAfter).toBe(1);
    expect(requests(browser, "PATCH", /./)).toBe(6);
    expect(await phone.status()).toMatchObject({ waiting: 0, photosWaiting: 0 });
  });

  // -------------------------------------------------------------------------------------------------------------- two tabs

  test("two tabs record into one journal and hear of each other", async () => {
    const { browser, phone, ticket } = await scene();
    const other = await opened(browser.tab());
    let heard = 0;
    const silence = other.subscribe(() => heard++);
    const first = [phone.accept(ticket), other.note(ticket, "b")];
    const saved = await Promise.all([...first, phone.note(ticket, "a"), other.arrive(ticket)]);
    expect(new Set(saved.map((each) => each.visit)).size).toBe(1);
    expect(heard).toBeGreaterThanOrEqual(4);
    silence();
    await synced(other);
    expect((await phone.status()).waiting).toBe(0);
    expect(await office.lines(phone)).toBe(5);
  });

  test("a tab that is asked to send while another uploads has the other send it", async () => {
    const { browser, phone, ticket } = await scene();
    const other = await opened(browser.tab());
    const stop = phone.run();
    await phone.photo(ticket, { original: jpeg(`large ${ticket}`, 1_400_000), type: "image/jpeg" });
    let asked: Promise<void> | null = null;
    browser.answer = async (_, request) => {
      if (request.method === "PATCH" && !asked) {
        await other.finish(ticket);
        const listening = other.run();
        asked = other.sync("send-now").finally(listening);
      }
      return null;
    };
    await synced(phone);
    await asked;
    expect(await other.status()).toMatchObject({ waiting: 0, photosWaiting: 0 });
    stop();
  });

  test("a tab that fell asleep while it talked is replaced", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.arrive(ticket);
    const never = browser.locks.request("lamplighter-sync", {}, () => new Promise<never>(() => {}));
    const asleep = expect(never).rejects.toThrow("stolen");
    const hasty = browser.tab({ after: (ms, call) => {
      const timer = setTimeout(call, ms / 100);
      return () => clearTimeout(timer);
    } });
    const other = await opened(hasty);
    await other.sync("visible");
    expect((await other.status()).waiting).toBe(1);
    await synced(other);
    expect((await other.status()).waiting).toBe(0);
    await asleep;
  });

  // ------------------------------------------------------------------------------------------------------------ other roads

  test("one bundle is a saved request that any phone delivers, as often as one likes", async () => {
    const { phone, ticket } = await scene();
    const carrier = await scene("m3");
    await work(phone, ticket);
    const { blob, lines, name } = await phone.exportBundle();
    expect([lines, name]).toEqual([7, expect.stringMatching(/^lamplighter-.*\.ndjson$/)]);
    const file = new Uint8Array(await blob.arrayBuffer());
    for (let count = 0; count < 2; count++) expect(await carrier.phone.importFile(file)).toEqual({ lines: 7, delivered: true });
    expect((await office.view(ticket)).state).toBe("completed");
    expect((await phone.status()).waiting).toBe(7);
    const answer = await fetch(`${address}/v1/sync`, { method: "POST", body: file });
    expect(await phone.importFile(new Uint8Array(await answer.arrayBuffer()))).toEqual({ lines: 7, delivered: false });
    expect((await phone.status()).waiting).toBe(0);
    await synced(phone);
    expect(await office.lines(phone)).toBe(8);
  });

  test("a rescue file with photos brings those too", async () => {
    const { browser, phone, ticket } = await scene();
    const original = jpeg(`rescued ${ticket}`, 300_000);
    await phone.photo(ticket, { original, type: "image/jpeg", preview: jpeg(`small ${ticket}`, 900) });
    const { blob, name } = await phone.exportBundle();
    expect(name).toMatch(/\.zip$/);
    const carrier = await scene("m3");
    expect(await carrier.phone.importFile(new Uint8Array(await blob.arrayBuffer()))).toEqual({ lines: 1, delivered: true });
    expect(Object.keys((await office.view(ticket))["photos_received"] as object)).toContain(await sha256Hex(original));
    await synced(phone);
    expect(await photos(phone)).toMatchObject([{ truth: "hq_has_it" }]);
    expect(requests(browser, "PATCH", /./)).toBe(0);
  });

  test("a file that is no bundle is refused", async () => {
    const { phone } = await scene();
    for (const text of ["", "hello", "{}\n", "[1]\n", "\xff\xd8", '{"journal":"x"}\n']) {
      await expect(phone.importFile(new TextEncoder().encode(text))).rejects.toMatchObject({ slug: "not-a-bundle" });
    }
    const forged = new TextEncoder().encode('{"statement":"a.b.c"}\n');
    await expect(phone.importFile(forged)).rejects.toMatchObject({ slug: "foreign-server" });
  });

  test("a phone signs out only when nothing is only there, or when it was saved in a file", async () => {
    const { browser, phone, ticket } = await scene();
    await phone.photo(ticket, { original: jpeg("only here"), type: "image/jpeg" });
    await expect(phone.signOut()).rejects.toMatchObject({ slug: "unsent" });
    await expect(phone.signOut({ exported: true })).rejects.toMatchObject({ slug: "unsent" });
    await phone.exportBundle();
    await phone.note(ticket, "after the export");
    await expect(phone.signOut({ exported: true })).rejects.toMatchObject({ slug: "unsent" });
    await phone.exportBundle();
    await phone.signOut({ exported: true });
    expect(await openPhone(browser.tab())).toEqual({ state: "fresh" });
    const second = await scene();
    await second.phone.signOut();
    expect(await openPhone(second.browser.tab())).toEqual({ state: "fresh" });
  });

  test("a phone tests itself and remembers small things over a restart", async () => {
    const { browser, phone } = await scene();
    await phone.remember("where", { screen: "guide", step: 3 });
    await phone.remember("token", "not the real one");
    const again = await opened(browser.tab());
    expect(await again.recall("where")).toEqual({ screen: "guide", step: 3 });
    await synced(again);
    expect(await again.selfTest()).toMatchObject({ installed: true, persisted: true, writes: true, signs: true, freeMb: 812 });
    expect((await again.selfTest()).tickets).toBeGreaterThan(0);
  });
});
