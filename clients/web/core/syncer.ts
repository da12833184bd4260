// The conversation with the server: push, pull, photos, sleep; and doing what a problem's `action` says.
//
// Every failure is normal here. A lost reply is followed by asking, a foreign page states nothing, an expired token is renewed
// by the device's key, and whatever cannot be done now waits, longer each time and by chance. Only one tab talks. Twin of
// clients/handset/syncer.py. Refuses to know what facts mean; nothing here deletes what was not stated.

import type { Bytes } from "./bytes";
import { isTorn } from "./draft";
import type { Applied, Outgoing, Problem, Reading } from "./facts";
import type { PublicJwk, Signer } from "./keys";
import { type Answer, Declined, type Link, type Refusal, stranger, Unreachable } from "./link";
import type { PhotoForm, Pocket } from "./pocket";
import type { Replica } from "./replica";
import { Trust } from "./trust";
import { PhoneFault, type Status } from "./types";
import { upload } from "./upload";
import { parseReply } from "./wire";
import { type Call, clocks, type World } from "./world";

const SECOND_MS = 1000;
const BACK_OFF_FIRST_MS = SECOND_MS;
const BACK_OFF_MAX_MS = 300 * SECOND_MS;
/** A server may ask for patience, but not for days. */
const REST_MAX_MS = 3600 * SECOND_MS;
/** A server that keeps asking for repairs without anything advancing is left alone for a while. */
const TURNS_WITHOUT_PROGRESS_MAX = 6;
const PAGE_BYTES = 256 * 1024;
const PRUNE_EVERY_MS = 3600 * SECOND_MS;
/** A tab that holds the lock and does not answer within this is asleep. */
const ANSWER_MS = 3 * SECOND_MS;
const SYNC_PATH = "/v1/sync";
export const LOCK = "lamplighter-sync";

/** At most how long a call waits, so that many phones, or many facts, do not come at once. */
const SOON_MS: Record<Call, number> = {
  open: 0, "send-now": 0, visible: SECOND_MS, online: 3 * SECOND_MS, recorded: 2 * SECOND_MS, poke: 5 * SECOND_MS, timer: 0,
};

/** When a photo the server did not take is offered again: sending megabytes in vain every minute would help nobody. */
const AGAIN: readonly Call[] = ["open", "send-now"];

/** What the syncer is at; part of `Status`. */
export type Doing = Pick<Status, "syncing" | "nextAt" | "trouble" | "percent">;

/** What tabs of one phone say to each other. */
export type Saying = { say: "doing"; doing: Doing } | { say: "send-now" } | { say: "talking" } | { say: "changed" };

export interface Company {
  replica: Replica; pocket: Pocket; link: Link; signer: Signer; root: PublicJwk; world: World;
  /** Called whenever `doing` has changed. */
  moved: () => void;
}

export class Syncer {
  /** What this tab or the tab that talks is at. */
  doing: Doing = { syncing: "idle", nextAt: null, trouble: null, percent: null };
  /** What ended the last conversation, for whoever looks for the cause. */
  fault: unknown = null;

  private talking: Promise<void> | null = null;
  private hurry = false;
  private running = false;
  private dueAt = Infinity;
  private notBefore = 0;
  private rearm: () => void = () => {};
  private answered: () => void = () => {};
  /** How long the server's last page asked to wait when there is nothing to say. */
  private pause = { after_s: 60, jitter_s: 60 };
  private prunedAt = -Infinity;
  readonly trust: Trust;

  constructor(private readonly company: Company) {
    this.trust = new Trust({ ...company, device: async () => (await company.replica.state()).device });
  }

  // --------------------------------------------------------------------------------------------------------- the loop

  /** Talks and sleeps until it is told to stop. */
  run(): () => void {
    this.running = true;
    const { triggers, channel } = this.company.world;
    const deaf = triggers((why) => void this.call(why));
    const listen = (event: { data: unknown }): void => this.hear(event.data as Saying);
    channel?.addEventListener("message", listen);
    void this.loop();
    return () => {
      this.running = false;
      this.rearm();
      deaf();
      channel?.removeEventListener("message", listen);
    };
  }

  private async loop(): Promise<void> {
    let why: Call = "open";
    while (this.running) {
      await this.sync(why);
      await this.rest();
      why = "timer";
    }
  }

  /** Sleeps until `dueAt`, which calls bring nearer. A wall clock that was set back must not make it sleep for days. */
  private async rest(): Promise<void> {
    for (;;) {
      const left = this.dueAt - this.company.world.wallMs();
      if (!this.running || left <= 0 || left > 2 * REST_MAX_MS) return;
      await new Promise<void>((resolve) => {
        const cancel = this.company.world.after(left, resolve);
        this.rearm = () => (cancel(), resolve());
      });
    }
  }

  /** Something happened that may be a reason to talk. */
  async call(why: Call): Promise<void> {
    if (why === "send-now") return this.sync(why);
    if (this.talking) {
      this.hurry ||= why === "recorded";
      return;
    }
    if ((why === "recorded" || why === "poke") && (await this.failures())) return; // the back-off goes on
    const { wallMs, uniform } = this.company.world;
    this.wakeAt(Math.min(this.dueAt, Math.max(this.notBefore, wallMs() + uniform(0, SOON_MS[why]))));
  }

  /** One conversation, or as much of it as the field allows. Never rejects: `doing` tells. */
  sync(why: Call): Promise<void> {
    this.hurry ||= this.talking !== null;
    this.talking ??= this.alone(why).finally(() => (this.talking = null));
    return this.talking;
  }

  private async talk(why: Call): Promise<void> {
    this.hurry = false;
    this.move({ syncing: "talking", nextAt: null, percent: null });
    try {
      const refused = await this.converse();
      if (!refused) this.move({ trouble: null }); // HQ was reached: what kept us from it is over, and photos may take long
      await this.bringPhotos(AGAIN.includes(why));
      await this.prune();
      if (refused) throw refused; // what was recorded is stored; only the pull was refused
      await this.succeeded();
    } catch (error) {
      await this.failed(error);
    }
  }

  private async succeeded(): Promise<void> {
    const { wallMs, uniform } = this.company.world;
    this.fault = null;
    await this.countFailures(0);
    const idle = Math.min((this.pause.after_s + uniform(0, this.pause.jitter_s)) * SECOND_MS, REST_MAX_MS);
    const lastMoment = (await this.unsent()) > 0;
    this.move({ syncing: "idle", trouble: null, percent: null });
    this.wakeAt(wallMs() + (lastMoment ? uniform(0, SOON_MS.recorded) : idle));
  }

  /** Capped, then fully jittered: a thousand phones that lost one server do not come back together. */
  private async failed(error: unknown): Promise<void> {
    const { wallMs, uniform } = this.company.world;
    this.fault = error;
    const failures = await this.countFailures((await this.failures()) + 1);
    const asked = error instanceof Declined ? Number(error.problem.retry_after_s) || 0 : 0;
    const cap = Math.min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** Math.min(failures, 20));
    this.notBefore = wallMs() + Math.min(asked * SECOND_MS, REST_MAX_MS);
    this.move({ syncing: "resting", trouble: troubleOf(error), percent: null });
    this.wakeAt(this.notBefore + uniform(0, cap));
  }

  private wakeAt(until: number): void {
    this.dueAt = Math.round(until);
    this.rearm();
    this.move({ nextAt: this.dueAt });
  }

  /** Conversations that failed since the last success; kept over restarts, so a storm is not fed by restarting. */
  private async failures(): Promise<number> {
    return (await this.company.pocket.setting<number>("failures").catch(() => 0)) ?? 0;
  }

  private async countFailures(count: number): Promise<number> {
    if (count !== (await this.failures())) await this.company.pocket.setSettings({ failures: count }).catch(() => {});
    return count;
  }

  // --------------------------------------------------------------------------------------------------- push and pull

  /** Push and pull until both sides have everything. Resolves with the reason when only the pull was refused. */
  private async converse(): Promise<Declined | null> {
    const whole = await this.unsent();
    let refusal: Declined | null = null;
    let renewed = false;
    for (let standstill = 0; standstill < TURNS_WITHOUT_PROGRESS_MAX;) {
      const applied = await this.turn();
      const problem = applied.problem ? new Declined(named(applied.problem)) : null;
      if (problem?.action === "sign-in" && !renewed) {
        renewed = true;
        refusal = await this.trust.renewToken();
      } else if (problem && problem.action !== "resync") {
        refusal ??= problem;
      }
      const waiting = await this.unsent();
      this.move({ percent: whole ? percent(whole - waiting, whole) : null });
      if (!waiting && refusal) return refusal;
      if (!waiting && applied.complete && !applied.more) return null;
      standstill = applied.stated || applied.rows || applied.forked ? 0 : standstill + 1;
    }
    throw refusal ?? new Declined({ slug: "internal", action: "report", detail: "The server answers, but nothing advances." });
  }

  /** Facts that can still be sent: what follows on lines that are lost on both sides cannot. */
  private async unsent(): Promise<number> {
    const { journals } = await this.company.replica.state();
    return journals.filter((own) => !isTorn(own)).reduce((sum, own) => sum + own.n - own.stated, 0);
  }

  /** One request and its answer. */
  private async turn(): Promise<Applied> {
    const { replica, world } = this.company;
    const free_mb = (await world.freeMb()) ?? undefined;
    const asking = { limit_bytes: PAGE_BYTES, now_wall: world.wallMs(), persisted: await world.persisted() };
    const outgoing = await replica.request(free_mb === undefined ? asking : { ...asking, free_mb });
    const answer = await this.send(outgoing);
    if (answer.problem) return this.refused(outgoing, answer.problem, answer.status);
    const applied = await this.apply(answer.body);
    if (!applied.heard) {
      await replica.lost(outgoing);
      if (!answer.whole) throw cut();
      if (await this.trust.learnKeys(answer.body)) return applied;
      throw stranger(answer.status);
    }
    if (!answer.whole) throw cut();
    return applied;
  }

  private async send(outgoing: Outgoing): Promise<Answer> {
    const { link, pocket, replica } = this.company;
    try {
      return await link.exchange(SYNC_PATH, outgoing.body, await pocket.setting<string>("token"));
    } catch (error) {
      await replica.lost(outgoing);
      throw error;
    }
  }

  /** The whole request was refused: nothing was stored, except that nobody knows after a fault of the server's own. */
  private async refused(outgoing: Outgoing, problem: Refusal, status: number): Promise<Applied> {
    const { replica } = this.company;
    const declined = new Declined(problem);
    if (status >= 500) {
      await replica.lost(outgoing);
      throw declined;
    }
    const applied = await replica.refused(problem, this.reading());
    if (declined.action !== "resync") throw declined;
    return applied;
  }

  /** Takes a reply in, wherever it came from. Without a valid word of our server about us it changes nothing. */
  async apply(body: Bytes): Promise<Applied> {
    const { replica } = this.company;
    const applied = await replica.apply(body, this.reading());
    if (!applied.heard) return applied;
    await this.trust.heardTime((await replica.state()).heard_at);
    const end = parseReply(lastLine(body)).end;
    if (end) this.pause = { after_s: Number(end["after_s"]) || 0, jitter_s: Number(end["jitter_s"]) || 0 };
    return applied;
  }

  private reading(): Reading {
    return clocks(this.company.world);
  }

  // ------------------------------------------------------------------------------------------------------------ photos

  /**
   * Every form whose fact is stated: previews of all photos, then copies, then originals. Facts go first, also in between.
   * `again`: also those the server did not take before.
   */
  private async bringPhotos(again: boolean): Promise<void> {
    const { replica } = this.company;
    const tried = new Set<string>();
    const sum = { sent: 0 };
    for (let brought = false; ; ) {
      const left = (await replica.uploads()).filter((form) => !tried.has(form.sha256) && (again || form.problem === null));
      const form = left[0];
      if (!form) return void (brought && (await this.converse())); // the tickets now say that their photos have come
      const total = sum.sent + left.reduce((bytes, one) => bytes + one.size - one.sent, 0);
      this.move({ syncing: "uploading", percent: percent(sum.sent, total) });
      const came = await this.bring(form, (sent) => this.move({ percent: percent(sum.sent + sent - form.sent, total) }));
      if (came !== "interrupted") tried.add(form.sha256);
      brought ||= came === "received";
      if (came === "received") sum.sent += form.size - form.sent;
      if (this.hurry) {
        this.hurry = false;
        await this.converse();
      }
    }
  }

  /** One form. What the server does not take now is marked, and the next one goes on. */
  private async bring(form: PhotoForm, progress: (sent: number) => void): Promise<"received" | "interrupted" | "marked"> {
    const { pocket, link, world } = this.company;
    const bytes = await pocket.bytes(form.sha256);
    if (!bytes) {
      await pocket.setPhotoProblem(form.sha256, "bytes-missing");
      return "marked";
    }
    let noted: Promise<void> = Promise.resolve();
    const reached = (place: string, sent: number): void => {
      noted = noted.then(() => pocket.setUpload(form.sha256, place, sent));
      progress(sent);
    };
    try {
      const parcel = { sha256: form.sha256, bytes, place: form.upload, sent: form.sent };
      const whole = await upload(parcel, { link, proof: () => this.trust.proof(), reached, hurry: () => this.hurry });
      await noted;
      if (whole) await pocket.setReceived(form.sha256, world.wallMs());
      return whole ? "received" : "interrupted";
    } catch (error) {
      await noted;
      if (!(error instanceof Declined) || !concernsThePhoto(error)) throw error;
      await pocket.setPhotoProblem(form.sha256, error.slug);
      return "marked";
    }
  }

  /** Brings the bytes of somebody else's photo, whose fact the server has. Rejects: Unreachable, Declined. */
  async carry(sha256: string, bytes: ArrayBuffer): Promise<void> {
    const road = { link: this.company.link, proof: () => this.trust.proof(), reached: () => {}, hurry: () => false };
    await upload({ sha256, bytes, place: null, sent: 0 }, road);
  }

  private async prune(): Promise<void> {
    const { replica, world } = this.company;
    if (world.wallMs() - this.prunedAt < PRUNE_EVERY_MS) return;
    this.prunedAt = world.wallMs();
    await replica.prune(world.wallMs());
  }

  // -------------------------------------------------------------------------------------------------------- other tabs

  /** Talks unless another tab does, which is told to hurry; from one that is asleep, a person's "send now" takes over. */
  private async alone(why: Call): Promise<void> {
    const { locks, wallMs, uniform } = this.company.world;
    if (!locks) return this.talk(why);
    const talk = async (lock: unknown): Promise<boolean> => lock !== null && (await this.talk(why), true);
    if (await locks.request(LOCK, { ifAvailable: true }, talk).catch(() => false)) return;
    const reached = this.reachTalkingTab();
    if (why !== "send-now") return this.wakeAt(wallMs() + uniform(0, BACK_OFF_MAX_MS));
    if (!(await reached)) await locks.request(LOCK, { steal: true }, talk).catch(() => false);
  }

  private reachTalkingTab(): Promise<boolean> {
    const { world } = this.company;
    return new Promise((resolve) => {
      const cancel = world.after(ANSWER_MS, () => resolve(false));
      this.answered = () => (cancel(), resolve(true));
      world.channel?.postMessage({ say: "send-now" } satisfies Saying);
    });
  }

  /** What another tab of this phone says. */
  private hear(saying: Saying): void {
    const { world, moved } = this.company;
    if (saying.say === "talking") this.answered();
    if (saying.say === "send-now" && this.talking) {
      this.hurry = true;
      world.channel?.postMessage({ say: "talking" } satisfies Saying);
    }
    if (saying.say === "doing" && !this.talking) {
      this.doing = saying.doing;
      // Later than that tab means to talk again: this one only follows when that one is gone.
      if (saying.doing.nextAt !== null) this.dueAt = saying.doing.nextAt + world.uniform(SECOND_MS, 10 * SECOND_MS);
      this.rearm();
      moved();
    }
  }

  private move(change: Partial<Doing>): void {
    this.doing = { ...this.doing, ...change };
    this.company.world.channel?.postMessage({ say: "doing", doing: this.doing } satisfies Saying);
    this.company.moved();
  }
}

/** Refusals that are about this photo alone; all others are about this phone or this hour. */
function concernsThePhoto(declined: Declined): boolean {
  return declined.slug === "bad-hash" || !["sign-in", "retry"].includes(declined.action);
}

function troubleOf(error: unknown): string {
  if (error instanceof Declined || error instanceof PhoneFault) return error.slug;
  return error instanceof Unreachable ? error.trouble : "internal";
}

function named(problem: Problem): Refusal {
  return { ...problem, slug: String(problem.slug) };
}

function cut(): Unreachable {
  return new Unreachable("offline", "The reply was cut.");
}

function percent(part: number, whole: number): number {
  return whole > 0 ? Math.min(100, Math.max(0, Math.floor((100 * part) / whole))) : 100;
}

/** The last line of a reply, with its line feed. */
function lastLine(body: Bytes): Bytes {
  return body.subarray(body.lastIndexOf(LINE_FEED, body.length - 2) + 1);
}

const LINE_FEED = 10;
