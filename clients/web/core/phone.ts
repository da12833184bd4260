// One crew member's phone: enrol once, record the steps of a job without any signal, sync when there is one.
//
// A verb resolves when its fact is durable, and only then may anything be shown as saved. What is shown is the server's
// projection with the phone's own newer facts laid over it. Twin of clients/handset/phone.py. Refuses to know screens and
// business rules.

import type { Bytes } from "./bytes";
import type { Body, ReplicaState } from "./facts";
import { guideOf } from "./guide";
import { createDeviceKey, type DeviceKey, KeyList, type PublicJwk, publicJwk, Signer, thumbprint } from "./keys";
import { Link } from "./link";
import { attachments, checkSize, photoFact, photoItems } from "./photos";
import type { Attachment, Pocket } from "./pocket";
import { crewsOf, type Fact, Replica, type Surroundings } from "./replica";
import { asFault, bringIn, type BroughtIn, rescueFile, type RescueFile } from "./rescue";
import { sealRating } from "./seal";
import { DexiePocket } from "./store";
import { type Saying, Syncer } from "./syncer";
import {
  type Guide, type Label, type Notice, type Opened, type Phone, PhoneFault, type Picture, type Points, type QueueItem,
  type Saved, type SelfTest, type Station, type Status, type TicketView, type Truth, type Visit,
} from "./types";
import { CLOCK_OFF } from "./trust";
import { visitIn } from "./visits";
import { type Call, clocks, newId, type World } from "./world";

const CALLS: readonly string[] = ["open", "visible", "online", "timer", "poke", "recorded"] satisfies Call[];

/** What is kept beside the journal. */
interface Kept { address: string; keys: string; root: PublicJwk; key: DeviceKey; token: string }

/** The phone that lives in this browser. Rejects with PhoneFault: store-too-new, not-saved, foreign-server. */
export async function openPhone(world: World): Promise<Opened> {
  const pocket = await storeOf(world);
  const noted = world.canary.read();
  if ((await pocket.held()) === null) {
    pocket.close();
    return noted ? { state: "wiped", device: noted.device, n: noted.n, stated: noted.stated } : { state: "fresh" };
  }
  const { address, keys, root, key } = (await pocket.settings(["address", "keys", "root", "key"])) as unknown as Kept;
  const known = await KeyList.verify(world.crypto.subtle, keys, root).catch(() => null);
  if (!known) throw new PhoneFault("foreign-server", "The key list is not signed by the server this phone knows.");
  const signer = new Signer(world.crypto.subtle, key, known);
  const bell = new Bell(world);
  const opening = await Replica.open(surroundings(world, pocket, signer, bell), clocks(world));
  if (opening.state !== "ready") return opening;
  const parts = { world, pocket, signer, bell, root, address, key, replica: opening.replica };
  return { state: "ready", phone: await CrewPhone.begin(parts) };
}

/** What enrolling takes; `pin` is the root's thumbprint where a QR code named it. */
export interface Invitation { address: string; code: string; name: string; pin?: string }

/**
 * Makes this browser the phone of the member the one-time code was made for, and pins the server's root.
 * Rejects with PhoneFault: bad-code, unreachable, foreign-server, storage-full, not-saved.
 */
export async function enrolPhone(world: World, { address, code, name, pin }: Invitation): Promise<Phone> {
  const { subtle } = world.crypto;
  const pocket = await storeOf(world);
  if ((await pocket.held()) !== null) throw new PhoneFault("not-saved", "This phone is enrolled already.");
  const key = await createDeviceKey(subtle);
  const link = new Link(address, world);
  const asked = { code, key: await publicJwk(subtle, key), name };
  const said = await link.ask("POST", "/v1/enrol", asked).catch((error: unknown) => { throw asFault(error); });
  const { root, keys, token, device, member } = said as unknown as Kept & { device: string; member: string };
  const known = await KeyList.verify(subtle, String(keys), root).catch(() => null);
  if (!known || (pin !== undefined && pin !== (await thumbprint(subtle, root)))) {
    throw new PhoneFault("foreign-server", "The key list is not signed by the server this phone knows.");
  }
  const signer = new Signer(subtle, key, known);
  const bell = new Bell(world);
  const settings: Kept = { address: link.address, keys, root, key, token };
  const who = { device, member, app: world.app, reading: clocks(world), settings: { ...settings } };
  const replica = await Replica.enrol(surroundings(world, pocket, signer, bell), who);
  return CrewPhone.begin({ world, pocket, signer, bell, root, address: link.address, key, replica });
}

function storeOf(world: World): Promise<Pocket> {
  return world.pocket ? world.pocket() : DexiePocket.open();
}

function surroundings(world: World, pocket: Pocket, signer: Signer, bell: Bell): Surroundings {
  const { locks, canary } = world;
  const exclusive = locks && (<T>(work: () => Promise<T>): Promise<T> => locks.request("lamplighter", {}, () => work()));
  const around = { pocket, signer, newId: () => newId(world), canary, committed: () => bell.ring() };
  return exclusive ? { ...around, exclusive } : around;
}

/** Tells listeners in every tab of this phone that something changed. */
class Bell {
  readonly listeners = new Set<() => void>();

  constructor(private readonly world: World) {
    world.channel?.addEventListener("message", ({ data }) => {
      if ((data as Saying).say === "changed") this.tell();
    });
  }

  ring(): void {
    this.world.channel?.postMessage({ say: "changed" } satisfies Saying);
    this.tell();
  }

  /** Each on its own: a screen that fails must not stop what goes on here. */
  tell(): void {
    for (const listener of this.listeners) queueMicrotask(listener);
  }
}

interface Parts {
  world: World; pocket: Pocket; signer: Signer; bell: Bell; root: PublicJwk; address: string; key: DeviceKey; replica: Replica;
}

class CrewPhone implements Phone {
  readonly device: string;
  readonly member: string;
  readonly address: string;
  readonly syncer: Syncer;
  crews: ReadonlySet<string> = new Set();
  private stop: () => void = () => {};
  private exportedUpTo: number | null = null;

  private constructor(private readonly parts: Parts, who: { device: string; member: string }) {
    this.device = who.device;
    this.member = who.member;
    this.address = parts.address;
    const { address, world, bell } = parts;
    this.syncer = new Syncer({ ...parts, link: new Link(address, world), moved: () => bell.tell() });
    bell.listeners.add(() => void this.learnCrews());
  }

  static async begin(parts: Parts): Promise<CrewPhone> {
    const phone = new CrewPhone(parts, await parts.replica.state());
    await phone.learnCrews();
    return phone;
  }

  private async learnCrews(): Promise<void> {
    const state = await this.parts.replica.state().catch(() => null);
    if (state) this.crews = crewsOf(state.cursor);
  }

  // ---------------------------------------------------------------------------------------------------------- showing

  async tickets(): Promise<TicketView[]> {
    const order = (one: TicketView, two: TicketView): number =>
      (one.received_at ?? 0) - (two.received_at ?? 0) || (one.id < two.id ? -1 : 1);
    return (await this.parts.replica.tickets()).sort(order);
  }

  ticket(id: string): Promise<TicketView | null> {
    return this.parts.replica.show(id);
  }

  visit(view: TicketView): { id: string; visit: Visit } | null {
    return visitIn(view, this);
  }

  async guideFor(view: TicketView): Promise<Guide | null> {
    return guideOf(await this.guides(), view, this.visit(view)?.visit);
  }

  guides(): Promise<Guide[]> {
    return this.records<Guide>("guide");
  }

  async names(): Promise<Record<string, Label>> {
    const crews = await this.records<{ id: string; name: Label; members?: { id: string; name: Label }[] }>("crew");
    const all = crews.flatMap((crew) => [crew, ...(crew.members ?? [])]);
    return Object.fromEntries(all.map(({ id, name }) => [id, name]));
  }

  /** Where a ticket names none this phone knows, the phone's own. */
  async station(id: string | undefined): Promise<Station | null> {
    const stations = await this.records<Station>("station");
    return stations.find((station) => station.id === id) ?? stations[0] ?? null;
  }

  points(): Promise<Points[]> {
    return this.records<Points>("points");
  }

  /** Records of a kind that some scope still holds, as the server wrote them. */
  private async records<T>(kind: string): Promise<T[]> {
    const rows = (await this.parts.pocket.rows(kind)).filter((row) => Object.keys(row.scopes).length > 0);
    return rows.map((row) => ({ id: row.id, ...row.put }) as T);
  }

  async queue(): Promise<QueueItem[]> {
    const { replica, pocket } = this.parts;
    const facts = (await replica.queue()).map(({ kind, truth, n, journal, fact, ticket, wall, why }) =>
      ({ kind, truth, n, journal, fact, wall, ...(ticket === null ? {} : { ticket }), ...(why === null ? {} : { why }) }));
    const heard = (await replica.state()).heard_at > 0;
    return [...facts, ...photoItems(await pocket.photos(), heard)];
  }

  truths(ticket: string): Promise<Map<string, Truth>> {
    return this.parts.replica.truths(ticket);
  }

  async notices(): Promise<Notice[]> {
    return (await this.parts.replica.state()).notices;
  }

  dismissNotice(index: number): Promise<void> {
    return this.parts.replica.dismissNotice(index);
  }

  async status(): Promise<Status> {
    const { replica, pocket } = this.parts;
    const [standing, off] = await Promise.all([replica.standing(), pocket.setting<number>(CLOCK_OFF)]);
    const { heard_at, waiting, needsYou, forms } = standing;
    const photos = photoItems(forms, heard_at > 0);
    return {
      waiting,
      photosWaiting: photos.filter((photo) => photo.truth !== "hq_has_it").length,
      needsYou: needsYou + photos.filter((photo) => photo.truth === "needs_you").length,
      heardAt: heard_at || null,
      clockOff: off ?? 0,
      ...this.syncer.doing,
    };
  }

  subscribe(listener: () => void): () => void {
    const own = (): void => listener();
    this.parts.bell.listeners.add(own);
    return () => this.parts.bell.listeners.delete(own);
  }

  async picture(sha256: string): Promise<Blob | null> {
    const { pocket } = this.parts;
    for (const form of (await pocket.formsOf(sha256)).sort((one, two) => one.size - two.size)) {
      const bytes = await pocket.bytes(form.sha256);
      if (bytes) return new Blob([bytes], form.type ? { type: form.type } : {});
    }
    return null;
  }

  // ------------------------------------------------------------------------------------------------ the steps of a job

  accept: Phone["accept"] = (ticket, body) => this.begin("acceptance", ticket, body);
  depart: Phone["depart"] = (ticket, body) => this.begin("departure", ticket, body);
  arrive: Phone["arrive"] = (ticket, body) => this.begin("arrival", ticket, body);
  start: Phone["start"] = (ticket) => this.begin("start", ticket);
  correctPosition: Phone["correctPosition"] = (ticket, body) => this.goOn("position_correction", ticket, body);
  answer: Phone["answer"] = (ticket, body) => this.goOn("answer", ticket, body);
  note: Phone["note"] = (ticket, text) => this.goOn("note", ticket, { text });
  material: Phone["material"] = (ticket, body) => this.goOn("material", ticket, body);
  suspend: Phone["suspend"] = (ticket, reason) => this.goOn("suspension", ticket, { reason });
  resume: Phone["resume"] = (ticket) => this.goOn("resumption", ticket);
  giveBack: Phone["giveBack"] = (ticket, body) => this.goOn("return", ticket, body);
  finish: Phone["finish"] = (ticket, body) => this.goOn("finish", ticket, body);
  openRating: Phone["openRating"] = (ticket) => this.goOn("rating_opened", ticket);

  amend(ticket: string, set: Body): Promise<Saved> {
    return this.record("amended", { ticket, visit: (view) => (known(view), null), body: { set } });
  }

  raise(set: Body, told_number?: string): Promise<Saved> {
    return this.record("raised", { ticket: newId(this.parts.world), body: { set, ...(told_number ? { told_number } : {}) } });
  }

  async photo(ticket: string, picture: Picture, body: { step?: string; shows?: string } = {}): Promise<Saved> {
    checkSize(picture);
    const attach = await attachments(picture);
    return this.goOn("photo", ticket, { ...photoFact(attach), ...body }, attach);
  }

  async closeRating(
    opened: Saved, answer: Body | null, body: { result?: "answered" | "declined" | "abandoned" | "away"; reason?: string } = {},
  ): Promise<Saved> {
    const { signer, world } = this.parts;
    const { ticket, visit, fact } = opened;
    const said: Body = { opened: fact, result: "answered", ...body };
    if (answer) {
      const to = signer.keys.ratingKey;
      if (!to) throw new PhoneFault("no-rating-key");
      const opening = { ticket, visit: visit ?? "", opened: fact, kid: to.kid };
      Object.assign(said, { kid: to.kid, sealed: await sealRating(world.crypto.subtle, answer, to.jwk, opening) });
    }
    return this.record("rating", { ticket, visit, body: said });
  }

  /** A step that begins a visit, unless the crew has one open on this ticket. */
  private begin(kind: string, ticket: string, body?: object): Promise<Saved> {
    return this.record(kind, { ticket, body: { ...body }, visit: (view, state) => this.visitFor(view, state, { open: true }) });
  }

  /** A step of the newest visit, whatever its end. */
  private goOn(kind: string, ticket: string, body?: object, attach: readonly Attachment[] = []): Promise<Saved> {
    return this.record(kind, { ticket, body: { ...body }, attach, visit: (view, state) => this.visitFor(view, state) });
  }

  private visitFor(view: TicketView | null, { member, cursor }: ReplicaState, which?: { open: boolean }): string {
    return visitIn(known(view), { member, crews: crewsOf(cursor) }, which)?.id ?? newId(this.parts.world);
  }

  private async record(kind: string, fact: Fact): Promise<Saved> {
    const { replica, world } = this.parts;
    try {
      const { fact: id, ticket, visit, wall } = await replica.record(kind, clocks(world), fact);
      void this.syncer.call("recorded");
      return { fact: id, kind, ticket, visit, wall };
    } catch (error) {
      throw error instanceof PhoneFault ? error : new PhoneFault("not-saved", String(error));
    }
  }

  // ---------------------------------------------------------------------------------------------------------- talking

  sync(why: string): Promise<void> {
    return this.syncer.sync(CALLS.includes(why) ? (why as Call) : "send-now");
  }

  run(): () => void {
    return (this.stop = this.syncer.run());
  }

  async selfTest(): Promise<SelfTest> {
    const { world, replica } = this.parts;
    const [persisted, freeMb, tickets, guides] = await Promise.all([
      world.persisted(), world.freeMb(), replica.tickets(), this.guides(),
    ]);
    const [writes, signs] = [await this.canWrite(), await this.canSign()];
    return { installed: world.installed(), persisted, writes, signs, tickets: tickets.length, guides: guides.length, freeMb };
  }

  private async canWrite(): Promise<boolean> {
    const mark = newId(this.parts.world);
    try {
      await this.remember("self-test", mark);
      return (await this.recall("self-test")) === mark;
    } catch {
      return false;
    }
  }

  private async canSign(): Promise<boolean> {
    const { key, world: { crypto } } = this.parts;
    const [how, mark] = [{ name: "ECDSA", hash: "SHA-256" }, crypto.getRandomValues(new Uint8Array(16))];
    try {
      return await crypto.subtle.verify(how, key.publicKey, await crypto.subtle.sign(how, key.privateKey, mark), mark);
    } catch {
      return false;
    }
  }

  async exportBundle(): Promise<RescueFile> {
    const { replica, pocket, world } = this.parts;
    const written = await replica.written();
    const file = await rescueFile(replica, pocket, world.wallMs());
    this.exportedUpTo = written;
    return file;
  }

  importFile(bytes: Uint8Array): Promise<BroughtIn> {
    const file: Bytes = new Uint8Array(bytes);
    return bringIn(file, new Link(this.address, this.parts.world), this.syncer);
  }

  async signOut({ exported = false }: { exported?: boolean } = {}): Promise<void> {
    const written = exported ? this.exportedUpTo : null;
    await this.parts.replica.forget(written === null ? {} : { written });
    this.stop();
    this.parts.pocket.close();
  }

  remember(name: string, value: unknown): Promise<void> {
    return this.parts.pocket.setSettings({ [`screen:${name}`]: value });
  }

  recall<T>(name: string): Promise<T | undefined> {
    return this.parts.pocket.setting<T>(`screen:${name}`);
  }
}

function known(view: TicketView | null): TicketView {
  if (!view) throw new PhoneFault("bad-value", "This phone knows no such ticket.");
  return view;
}
