// The phone's own storage as the replica sees it; memory.ts and store.ts keep this contract.
//
// Reading is free; whatever is written about the journal goes through `commit`, one all-or-nothing transaction that first
// checks that nobody else has written since the caller read. Refuses to know what lines, rows and settings mean.

import type { FactId, Key, ReplicaState, Row } from "./facts";

/** One journal line as it was written. `ticket`, `visit` and `wall` are copied from it so that nobody has to read the bytes. */
export interface Line {
  journal: string; n: number; fact: FactId; kind: string; ticket: string | null; visit: string | null; wall: number;
  raw: Uint8Array<ArrayBuffer>;
}

/** The state with the number that every commit raises by one. */
export interface Held { revision: number; state: ReplicaState }

export type Role = "preview" | "copy" | "original";

/**
 * One form of a photo whose bytes are on the phone, named by the SHA-256 (hex) of its own bytes; `of` names its original.
 * `journal` and `n` say which line names it. `upload` is where its tus upload goes on; `received` when the server had all of
 * it (wall ms).
 */
export interface PhotoForm {
  sha256: string; role: Role; of: string; type: string | null; size: number; ticket: string; journal: string; n: number;
  upload: string | null; sent: number; received: number | null; problem: string | null;
}

/** Bytes to keep together with the fact that names them. */
export interface Attachment { sha256: string; role: Role; of: string; type: string | null; bytes: ArrayBuffer }

/** Everything one step writes. `seen` is the revision that was read (0: there was no state). */
export interface Change {
  seen: number;
  state: ReplicaState;
  lines?: readonly Line[];
  /** Lines up to `last` of a journal go. */
  dropLines?: readonly { journal: string; last: number }[];
  rows?: readonly Row[];
  dropRows?: readonly Key[];
  photos?: readonly { form: PhotoForm; bytes: ArrayBuffer }[];
  dropPhotos?: readonly string[];
  settings?: Record<string, unknown>;
}

/** What can be read. Everything that comes out is the caller's own copy. */
export interface Reader {
  held(): Promise<Held | null>;
  /** Lines `first` to `last` of one journal, in order; those that were dropped are left out. */
  lines(journal: string, first: number, last: number): Promise<Line[]>;
  /** The same, only those about one ticket. */
  linesOf(ticket: string, journal: string, first: number, last: number): Promise<Line[]>;
  lineOf(fact: FactId): Promise<Line | null>;
  row(key: Key): Promise<Row | null>;
  /** In the order of `keys`. */
  rowsAt(keys: readonly Key[]): Promise<(Row | null)[]>;
  /** In the order of kind and id. */
  rows(kind?: string): Promise<Row[]>;
  rowsIn(scope: string): Promise<Row[]>;
  /** Rows that no scope holds any more. */
  looseRows(): Promise<Row[]>;
  /** Rows that some scope may not send again. */
  doubtfulRows(): Promise<Row[]>;
  /** Every form on the phone, in the order of the journal. */
  photos(): Promise<PhotoForm[]>;
  /** The forms of one original that are still here. */
  formsOf(original: string): Promise<PhotoForm[]>;
  /** The bytes of one form by its own hash. */
  bytes(sha256: string): Promise<ArrayBuffer | null>;
  setting<T>(name: string): Promise<T | undefined>;
  /** Several settings at one moment; a name nobody set is left out. */
  settings(names: readonly string[]): Promise<Record<string, unknown>>;
}

export interface Pocket extends Reader {
  /** Several reads of one moment. `work` may await nothing but this reader's promises. */
  look<T>(work: (reader: Reader) => Promise<T>): Promise<T>;
  /**
   * Durable as a whole when this resolves, with revision `seen` + 1, or nothing happened.
   * Rejects with `Overtaken` when the revision is not `seen`; with PhoneFault storage-full, store-too-new or not-saved.
   */
  commit(change: Change): Promise<void>;
  /** Keep small things, together. Values may be anything that can be cloned, a CryptoKeyPair too; undefined forgets one. */
  setSettings(values: Record<string, unknown>): Promise<void>;
  /** Remember where an upload goes on and how much of it is there; clears the problem. */
  setUpload(sha256: string, upload: string | null, sent: number): Promise<void>;
  /** The server has all bytes and re-hashed them. `at` is wall ms. */
  setReceived(sha256: string, at: number): Promise<void>;
  /** The server does not take these bytes now; they are kept. */
  setPhotoProblem(sha256: string, slug: string | null): Promise<void>;
  /** Forget one form and its bytes; the caller knows that they are safe elsewhere. */
  dropPhoto(sha256: string): Promise<void>;
  /** Keep a ballast of about 1 MiB if there is room for it; true when it lies there. */
  fillBallast(): Promise<boolean>;
  /** Give the ballast's room to whoever writes next; true when there was any. */
  releaseBallast(): Promise<boolean>;
  /** Empty the whole store, if its revision is still `seen`. Rejects with `Overtaken`. */
  erase(seen: number): Promise<void>;
  close(): void;
}

/** Somebody else wrote since the caller read; read again and decide anew. */
export class Overtaken extends Error {
  constructor() { super("The store was written by somebody else meanwhile."); }
}

/** Rows by kind and id, the order of every listing. */
export function byKey(a: { kind: string; id: string }, b: { kind: string; id: string }): number {
  return compare(a.kind, b.kind) || compare(a.id, b.id);
}

const ROLES: readonly Role[] = ["original", "preview", "copy"];

/** Photo forms in the order of the journal. */
export function byLine(a: PhotoForm, b: PhotoForm): number {
  return compare(a.journal, b.journal) || a.n - b.n || ROLES.indexOf(a.role) - ROLES.indexOf(b.role);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export const BALLAST_BYTES = 1024 * 1024;
