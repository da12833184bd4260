// The nouns of the replica and what is passed into it; twin of sync/facts.py and of the head of sync/replica.py.
// Field names are the wire's own, so one vector is read by both languages. Nothing here runs.

import type { Truth } from "./types";

/** h(n) of a journal line, base64url without padding (43 characters). */
export type FactId = string;

/** [kind, id] of a record, for example ["ticket", "0199…"]. */
export type Key = readonly [kind: string, id: string];

/** A JSON object whose members are not looked at here. */
export type Body = Record<string, unknown>;

/** What the phone's own clocks showed: `wall` ms since 1970, `mono` ms since an unknown start, within one `boot`. */
export interface Reading { wall: number; mono: number; boot: string }

/** The server's signed word: the journal is stored durably up to `n`, whose head is `head`, at `time` ± `radius`. */
export interface Statement {
  journal: string; n: number; head: FactId; time: number; radius: number; incarnation: string; durable: number; ledger: number;
  root: string;
}

/** The device key and the server keys it trusts. */
export interface Signer {
  /** The JWS that authorises a push of this journal up to line `n`. */
  checkpoint(journal: string, n: number, head: FactId): Promise<string>;
  /** A statement with a valid signature of a pinned server key, or null for anything else. */
  statement(jws: string): Promise<Statement | null>;
}

/**
 * How far one of the phone's journals got: written to `n`, stated by the server to `stated`, backed up to `durable`.
 * `unsure` is the n of a push whose reply never came: the next request asks by head before it sends bytes again.
 * `dropped` is the last n whose line was deleted here.
 */
export interface JournalState {
  id: string; n: number; head: FactId; stated: number; durable: number; stated_at: number; unsure: number; forked: boolean;
  dropped: number;
}

/** One record of the confirmed copy: the server's projection, the scopes it came by, and where it stood in the feed. */
export interface Row {
  kind: string; id: string; at: number; incarnation: string; put: Body; scopes: Record<string, number>; doubtful: string[];
  gone: string | null; gone_to: Body;
}

export type Cursor = Record<string, Record<string, number>>;

/** Everything small a replica remembers between restarts. `raised`: tickets made here whose row has not come down yet. */
export interface ReplicaState {
  device: string; member: string; app: string; journals: JournalState[]; cursor: Cursor; anchor: string | null;
  anchor_used: boolean; heard_at: number; incarnation: string; ledger: number; notices: Notice[]; raised: string[];
}

/** Something the crew must be told: fork, lines-missing, restored, reassigned, server-regressed. */
export interface Notice { slug: string; [detail: string]: unknown }

/** A fact that is durable on this phone. */
export interface Recorded {
  fact: FactId; journal: string; n: number; kind: string; ticket: string; visit: string | null; wall: number;
}

/** A request body (also a bundle when saved to a file) and what it carries. */
export interface Outgoing { body: Uint8Array<ArrayBuffer>; journal: string; first: number; last: number; lines: number }

/** A problem document (RFC 9457) with the members a phone acts on. */
export interface Problem {
  slug?: string; action?: string; heads?: { n: number; head: FactId }[]; retry_after_s?: number; [member: string]: unknown;
}

/**
 * What a reply changed. `heard`: it held a valid statement about a journal of this phone; without one it was somebody else's
 * page, and the request counts as lost. `complete`: the end of the page had come. `forked`: a new journal began.
 */
export interface Applied {
  heard: boolean; stated: number; rows: number; more: boolean; complete: boolean; problem: Problem | null; forked: boolean;
  regressed: boolean; changed: Key[];
}

/** One fact still on the phone. `why` is the slug of its outcome when the word is `needs_you`. */
export interface QueueEntry {
  journal: string; n: number; fact: FactId; kind: string; ticket: string | null; visit: string | null; wall: number;
  truth: Truth; why: string | null;
}

/**
 * Where the store is noted outside itself: `n` lines written and `stated` of them stated, over all journals; `journal` is the
 * present one. It lags behind or is equal, and never runs ahead.
 */
export interface CanaryNote { device: string; journal: string; n: number; stated: number }

export interface Canary {
  /** What was noted last; null when nothing was, or when it cannot be read. */
  read(): CanaryNote | null;
  /** Replace the note; null forgets it. May fail silently: a canary that lags is harmless. */
  write(note: CanaryNote | null): void;
}

/** Runs `work` while no other tab runs its own, for example `(work) => navigator.locks.request("lamplighter", work)`. */
export type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;
