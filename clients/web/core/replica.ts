// The phone's side of the conversation: its journal, its confirmed copy, what to show, and the words of truth.
//
// A `Replica` records facts durably before it says saved, makes requests, applies replies, and never deletes what the server
// has not stated. Twin of sync/replica.py. Several tabs may share one store: each step runs alone, reads everything anew, signs
// and hashes first, and then commits once; nothing is remembered between steps but what this tab is sending. It decides nothing
// about merging. Storage, keys, clock readings and the lock are passed in.

import { applyPage, beginAgain, repair, takeStatement, type Told } from "./conclude";
import { Draft } from "./draft";
import type {
  Applied, Body, Canary, Cursor, Exclusive, FactId, Key, Outgoing, Problem, QueueEntry, Reading, Recorded,
  ReplicaState, Row, Signer,
} from "./facts";
import { countNeedsYou, everyTicket, queueOf, type Sending, shown } from "./overlay";
import { type Asking, compose, everyPart, nextPart, total, waitingIn } from "./outgoing";
import {
  type Attachment, type Held, type Line, Overtaken, type PhotoForm, type Pocket, type Reader, type Role,
} from "./pocket";
import { PhoneFault, type TicketView, type Truth } from "./types";
import { type End, byName, markOf, parseReply, readLine, type Reply } from "./wire";

export * from "./facts";
export type { Asking } from "./outgoing";

export const KEEP_MS = 7 * 24 * 3_600_000;
/** A browser may need a moment until the room of what was deleted is there. */
const ROOM_PATIENCE_MS = [0, 200, 800, 2000];

/** What a replica lives with. `exclusive` is asked besides an own queue; `committed` is called after every durable change. */
export interface Surroundings {
  pocket: Pocket; signer: Signer; newId: () => string; exclusive?: Exclusive; canary?: Canary; committed?: () => void;
}

export interface Enrolment { device: string; member: string; app: string; reading: Reading; settings?: Record<string, unknown> }

/** What opening found; see Canary. */
export type Opening =
  | { state: "fresh" }
  | { state: "wiped"; device: string; n: number; stated: number }
  | { state: "ready"; replica: Replica };

export interface Fact {
  ticket: string;
  /** The visit, or how to find it in what is shown of the ticket at the moment of writing: so two tabs begin one, not two. */
  visit?: string | null | ((view: TicketView | null, state: ReplicaState) => string | null);
  body?: Body;
  attach?: readonly Attachment[];
}

/** What came back for a request, or by another road (`asked` null): the bytes read, the statement verified. */
interface Answer { reply: Reply; told: Told | null; asked: Sending | null; reading: Reading }

export class Replica {
  private sending: Sending | null = null;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(readonly around: Surroundings) {}

  // ------------------------------------------------------------------------------------------------------------ beginning

  /** Begin a phone's life: its state, the opening line of its first journal and its settings, in one transaction. */
  static async enrol(around: Surroundings, who: Enrolment): Promise<Replica> {
    const replica = new Replica(around);
    const { device, member, app, reading, settings } = who;
    await replica.retried(async () => {
      if ((await around.pocket.held()) !== null) throw new PhoneFault("not-saved", "This phone is enrolled already.");
      const draft = new Draft(around.pocket, { revision: 0, state: freshState(device, member, app) });
      draft.settings = settings;
      await draft.beginJournal(around.newId(), reading, "enrolled");
      await replica.commit(draft, false);
    });
    await around.pocket.fillBallast();
    return replica;
  }

  /** Open what is there. Where the canary knows more than the store, storage went backwards: a new journal has begun. */
  static async open(around: Surroundings, reading: Reading): Promise<Opening> {
    const { pocket, canary } = around;
    const replica = new Replica(around);
    const found = await replica.retried(async (): Promise<Opening> => {
      const held = await pocket.held();
      const noted = canary?.read() ?? null;
      if (held === null) return noted === null ? { state: "fresh" } : { state: "wiped", ...noted };
      const known = noted === null || held.state.journals.some((own) => own.id === noted.journal);
      if (!known || (noted !== null && total(held.state, "n") < noted.n)) await replica.afterRestore(held, reading);
      else replica.note(held.state);
      return { state: "ready", replica };
    });
    if (found.state === "ready") await pocket.fillBallast();
    return found;
  }

  /** Continuing a journal that may have gone on elsewhere would be a fork; a new one names it instead. */
  private async afterRestore(held: Held, reading: Reading): Promise<void> {
    const draft = new Draft(this.around.pocket, held);
    draft.notice("restored", {});
    await draft.beginJournal(this.around.newId(), reading, "restored");
    await this.commit(draft, true);
  }

  // ------------------------------------------------------------------------------------------------------------ recording

  /** Open a new journal that names the one before. */
  beginJournal(reading: Reading, why: string): Promise<void> {
    return this.step((draft) => draft.beginJournal(this.around.newId(), reading, why));
  }

  /**
   * Write one fact, with the bytes it names; durable when this resolves, and only then may a screen say saved.
   * Rejects with PhoneFault: bad-value, storage-full, not-saved, store-too-new; then nothing of it is stored.
   */
  record(kind: string, reading: Reading, fact: Fact): Promise<Recorded> {
    const attach = fact.attach ?? [];
    return this.retried(async () => {
      const { ticket } = fact;
      const { held, visit, row } = await this.about(fact);
      const draft = new Draft(this.around.pocket, held);
      const seen = row && { fence: Number(row.put["fence"] ?? 0), base: [row.incarnation, row.at] as const };
      if (kind === "raised") draft.state.raised.push(ticket);
      const line = await draft.append(kind, { ticket, visit, fence: 0, ...seen }, fact.body ?? {}, reading);
      for (const form of formsOf(attach, line)) draft.addPhoto(form.form, form.bytes);
      if (attach.length > 0) await this.keepBallast();
      await this.commit(draft, attach.length === 0);
      return { fact: line.fact, journal: line.journal, n: line.n, kind, ticket, visit, wall: line.wall };
    });
  }

  /** All that is read before a fact is written, in one go: somebody waits with a finger on the glass. */
  private about({ ticket, visit = null }: Fact): Promise<{ held: Held; visit: string | null; row: Row | null }> {
    return this.around.pocket.look(async (reader) => {
      const held = enrolled(await reader.held());
      const row = await reader.row(["ticket", ticket]);
      const found = typeof visit === "function" ? visit(await shown(reader, held.state, ticket), held.state) : visit;
      return { held, visit: found, row };
    });
  }

  // -------------------------------------------------------------------------------------------------------------- sending

  /** The next request: the oldest unstated lines, or a head alone when a reply was lost or nothing waits. */
  async request(asking: Asking = {}): Promise<Outgoing> {
    const { pocket, signer } = this.around;
    const outgoing = await compose(pocket, signer, await this.look(nextPart), asking);
    this.sending = { journal: outgoing.journal, first: outgoing.first, last: outgoing.last };
    return outgoing;
  }

  /** The smallest request (POST /v1/time): how far the journal got, and no pull. Its reply goes to `apply` like any other. */
  async tellHead(): Promise<Outgoing> {
    const { pocket, signer } = this.around;
    const state = await this.state();
    const own = state.journals.at(-1)!;
    return compose(pocket, signer, { state: { ...state, cursor: {}, ledger: 0 }, own, lines: [], last: own.n }, {});
  }

  /** Every line that is not stated, as request bodies a person can carry, oldest first. Nothing is stated by that. */
  async bundles(asking: Asking = {}): Promise<Outgoing[]> {
    const { pocket, signer } = this.around;
    const parts = await this.look(everyPart);
    return Promise.all(parts.map((part) => compose(pocket, signer, part, asking)));
  }

  /** The reply to a request never came: nobody knows what was stored, so ask by head before sending again. */
  async lost(outgoing: Outgoing): Promise<void> {
    this.sending = null;
    if (outgoing.lines === 0) return;
    await this.step(async (draft) => {
      const own = draft.journalOf(outgoing.journal);
      if (own !== null) own.unsure = outgoing.last;
    });
  }

  /** A bundle was written to a file: nothing is stated by that, and nothing may be deleted. */
  sentByOtherRoad(_outgoing: Outgoing): void {
    this.sending = null;
  }

  // ------------------------------------------------------------------------------------------------------------- applying

  /**
   * Apply a reply: the statement at once, the page only when its end arrived and it goes on from this phone's cursor.
   * A reply without a valid statement (a captive portal's page, say) states nothing and deletes nothing.
   * When the page does not fit on the phone the statement still counts; then it rejects with PhoneFault storage-full.
   */
  async apply(body: Uint8Array, reading: Reading): Promise<Applied> {
    const asked = this.takeSending();
    const reply = parseReply(body);
    const answer = { reply, told: await this.verify(reply.statement, asked), asked, reading };
    try {
      const applied = await this.step((draft) => this.takeAnswer(draft, answer), { ballast: false });
      if (applied.complete) await this.around.pocket.fillBallast();
      return applied;
    } catch (fault) {
      if (!isFull(fault)) throw fault;
      await this.step((draft) => this.takeAnswer(draft, { ...answer, reply: { ...reply, rows: [], end: null } }));
      throw fault;
    }
  }

  /** A whole request was refused with a problem document: follow its repair data and keep everything. */
  refused(problem: Problem, reading: Reading): Promise<Applied> {
    const reply: Reply = { statement: null, rows: [], end: null, problem };
    const answer = { reply, told: null, asked: this.takeSending(), reading };
    return this.step((draft) => this.takeAnswer(draft, answer));
  }

  private takeSending(): Sending | null {
    const asked = this.sending;
    this.sending = null;
    return asked;
  }

  private async verify(jws: unknown, asked: Sending | null): Promise<Told | null> {
    const statement = typeof jws === "string" ? await this.around.signer.statement(jws) : null;
    return statement && { statement, jws: jws as string, asked };
  }

  private async takeAnswer(draft: Draft, { reply, told, asked, reading }: Answer): Promise<Applied> {
    const { pocket, newId } = this.around;
    const heard = told !== null && draft.journalOf(told.statement.journal) !== null;
    const { stated, regressed } = await takeStatement(draft, told, reading);
    const { problem } = reply;
    const end = await whereItEnds(reply.end, draft.state.cursor);
    const overtaken = end !== null && !sameCursor(end["since"], draft.state.cursor);
    const changed: Key[] = end !== null && !overtaken && heard ? await applyPage(draft, pocket, reply.rows, end) : [];
    if (problem !== null) await repair(draft, problem, asked?.journal ?? null);
    const forked = await beginAgain(draft, newId, reading);
    const more = Boolean(end?.["more"]) || overtaken;
    const each = [...new Map(changed.map((key) => [key.join("\n"), key])).values()];
    return { heard, stated, rows: changed.length, more, complete: end !== null, problem, forked, regressed, changed: each };
  }

  // ------------------------------------------------------------------------------------------------------------ letting go

  /** Delete lines and photos that the server stated, that lie inside its backup horizon, a week after that. */
  prune(nowWall: number): Promise<{ lines: number; photos: number }> {
    return this.step(async (draft) => {
      const { pocket } = this.around;
      const durable = new Map(draft.state.journals.map((own) => [own.id, own.durable]));
      const old = (form: PhotoForm): boolean => form.received !== null && nowWall - form.received >= KEEP_MS;
      const photos = (await pocket.photos()).filter((form) => old(form) && form.n <= (durable.get(form.journal) ?? 0));
      for (const form of photos) draft.dropPhoto(form.sha256);
      let lines = 0;
      for (const own of draft.state.journals) {
        // The last line stays: its head is what the next push joins on.
        const last = Math.min(own.stated, own.durable) - 1;
        if (last < 1 || nowWall - own.stated_at < KEEP_MS) continue;
        lines += (await pocket.lines(own.id, own.dropped + 1, last)).length;
        draft.dropLines(own, last);
      }
      return { lines, photos: photos.length };
    });
  }

  /** Lines ever written, over all journals. */
  async written(): Promise<number> {
    return total(await this.state(), "n");
  }

  /**
   * Empty the store. Rejects with PhoneFault unsent while a fact or photo is only here, unless `written` (from `written()`)
   * says that everything up to there was exported, and nothing was written since.
   */
  forget({ written }: { written?: number } = {}): Promise<void> {
    const { pocket, canary, committed } = this.around;
    return this.retried(async () => {
      const held = await this.held();
      const waiting = waitingIn(held.state);
      const photos = (await pocket.photos()).filter((form) => form.received === null).length;
      const unsent = written === undefined ? waiting > 0 || photos > 0 : total(held.state, "n") !== written;
      if (unsent) throw new PhoneFault("unsent", undefined, { facts: waiting, photos });
      await pocket.erase(held.revision);
      canary?.write(null);
      committed?.();
    });
  }

  // -------------------------------------------------------------------------------------------------------------- showing

  async state(): Promise<ReplicaState> {
    return (await this.held()).state;
  }

  /** Facts not yet stated by the server. */
  async waiting(): Promise<number> {
    const state = await this.state();
    return waitingIn(state);
  }

  /** Facts still on the phone that the server contested or quarantined. */
  needsYou(): Promise<number> {
    return this.look(countNeedsYou);
  }

  /** What every screen tells of the whole phone, of one moment. */
  standing(): Promise<{ heard_at: number; waiting: number; needsYou: number; forms: PhotoForm[] }> {
    return this.look(async (reader, state) => ({
      heard_at: state.heard_at,
      waiting: waitingIn(state),
      needsYou: await countNeedsYou(reader),
      forms: await reader.photos(),
    }));
  }

  /** Photo forms the server lacks and whose fact is stated: previews, copies, originals; those refused before come last. */
  uploads(): Promise<PhotoForm[]> {
    return this.look(async (reader, state) => {
      const stated = new Map(state.journals.map((own) => [own.id, own.stated]));
      const due = (await reader.photos()).filter((form) => form.received === null && form.n <= (stated.get(form.journal) ?? 0));
      const rank = (form: PhotoForm): number => (form.problem === null ? 0 : 3) + UPLOAD_ORDER.indexOf(form.role);
      return due.sort((a, b) => rank(a) - rank(b));
    });
  }

  /** Every fact still on the phone with its word of truth, oldest first; only those of one ticket when it is named. */
  queue(only?: { ticket: string }): Promise<QueueEntry[]> {
    return this.look((reader, state) => queueOf(reader, state, this.sending, only));
  }

  async truths(ticket: string): Promise<Map<FactId, Truth>> {
    return new Map((await this.queue({ ticket })).map((entry) => [entry.fact, entry.truth]));
  }

  /** A line as it was written; null when it is not here any more. */
  async line(fact: FactId): Promise<Body | null> {
    const line = await this.around.pocket.lineOf(fact);
    return line && readLine(line.raw);
  }

  /** What to show: every ticket in scope, with the phone's own newer facts laid over. */
  tickets(): Promise<TicketView[]> {
    return this.look(everyTicket);
  }

  /** One ticket as the crew should see it, or null when this phone knows nothing of it. */
  show(ticket: string): Promise<TicketView | null> {
    return this.look((reader, state) => shown(reader, state, ticket));
  }

  /** What the server said of single facts, where it was more than applied. */
  outcomes(): Promise<Row[]> {
    return this.around.pocket.rows("outcome");
  }

  dismissNotice(index: number): Promise<void> {
    return this.step(async (draft) => void draft.state.notices.splice(index, 1));
  }

  // ----------------------------------------------------------------------------------------------------------- one step

  private async held(): Promise<Held> {
    return enrolled(await this.around.pocket.held());
  }

  /** Reads of one moment. */
  private look<T>(work: (reader: Reader, state: ReplicaState) => Promise<T>): Promise<T> {
    return this.around.pocket.look(async (reader) => work(reader, enrolled(await reader.held()).state));
  }

  /** Read, decide, and write once; all over again when somebody else wrote meanwhile. */
  private step<T>(work: (draft: Draft) => Promise<T>, { ballast = true } = {}): Promise<T> {
    return this.retried(async () => {
      const draft = new Draft(this.around.pocket, await this.held());
      const result = await work(draft);
      await this.commit(draft, ballast);
      return result;
    });
  }

  private retried<T>(attempt: () => Promise<T>): Promise<T> {
    return this.alone(async () => {
      for (;;) {
        try {
          return await attempt();
        } catch (fault) {
          if (!(fault instanceof Overtaken)) throw fault;
        }
      }
    });
  }

  /** Runs while no other step of this tab runs, nor of another where the browser has locks. */
  private alone<T>(work: () => Promise<T>): Promise<T> {
    const { exclusive } = this.around;
    const mine = this.turn.then(() => (exclusive === undefined ? work() : exclusive(work)));
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  /** Photos may not take the room that was given up for facts: while there is none for the ballast, there is none for them. */
  private async keepBallast(): Promise<void> {
    if (!(await this.around.pocket.fillBallast())) throw new PhoneFault("storage-full");
  }

  private async commit(draft: Draft, ballast: boolean): Promise<void> {
    const { pocket, committed } = this.around;
    try {
      await pocket.commit(draft.change());
    } catch (fault) {
      if (!ballast || !isFull(fault) || !(await pocket.releaseBallast())) throw fault;
      await this.commitInFreedRoom(draft);
    }
    this.note(draft.state);
    committed?.();
  }

  private async commitInFreedRoom(draft: Draft): Promise<void> {
    let full: unknown;
    for (const pause of ROOM_PATIENCE_MS) {
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      try {
        return await this.around.pocket.commit(draft.change());
      } catch (fault) {
        if (!isFull(fault)) throw fault;
        full = fault;
      }
    }
    throw full;
  }

  /** After the commit, so that the canary never runs ahead. */
  private note(state: ReplicaState): void {
    const journal = state.journals.at(-1)!.id;
    this.around.canary?.write({ device: state.device, journal, n: total(state, "n"), stated: total(state, "stated") });
  }
}

// ------------------------------------------------------------------------------------------------------------------- small

const UPLOAD_ORDER: readonly Role[] = ["preview", "copy", "original"];

/** The crews whose feed a phone receives. */
export function crewsOf(cursor: Cursor): Set<string> {
  const scopes = Object.values(cursor).flatMap((history) => Object.keys(history));
  return new Set(scopes.filter((scope) => scope.startsWith("crew:")).map((scope) => scope.slice("crew:".length)));
}

function freshState(device: string, member: string, app: string): ReplicaState {
  const heard = { cursor: {}, anchor: null, anchor_used: true, heard_at: 0, incarnation: "", ledger: 0 };
  return { device, member, app, journals: [], ...heard, notices: [], raised: [] };
}

function enrolled(held: Held | null): Held {
  if (held === null) throw new PhoneFault("not-saved", "This phone is not enrolled.");
  return held;
}

function formsOf(attach: readonly Attachment[], line: Line): { form: PhotoForm; bytes: ArrayBuffer }[] {
  const unique = attach.filter((each, index) => attach.findIndex((other) => other.sha256 === each.sha256) === index);
  const begun = { upload: null, sent: 0, received: null, problem: null };
  return unique.map(({ sha256, role, of, type, bytes }) => {
    const where = { ticket: line.ticket ?? "", journal: line.journal, n: line.n };
    return { form: { sha256, role, of, type, size: bytes.byteLength, ...where, ...begun }, bytes };
  });
}

/** The end of a page with the cursor that its mark stands for; a mark of another cursor stands for none. */
async function whereItEnds(end: Reply["end"], cursor: Cursor): Promise<End | null> {
  if (end === null || "cursor" in end) return end as End | null;
  const since = end["mark"] === (await markOf(cursor)) ? cursor : null;
  return { ...end, since, cursor };
}

function sameCursor(since: unknown, cursor: Cursor): boolean {
  return since !== undefined && byName(since) === byName(cursor);
}

function isFull(fault: unknown): boolean {
  return fault instanceof PhoneFault && fault.slug === "storage-full";
}

