// The nouns that core and screens share, and the one door between them: `Phone`. Nothing here runs.

export type Lang = "zh" | "en";
/** A text in both languages. */
export type Label = { zh: string; en: string };

/** The words of truth about one fact or photo, computed from the journal (sync/facts.py `Truth`). */
export type Truth = "saved" | "waiting" | "sending" | "hq_has_it" | "needs_you";

export type TicketState =
  | "received"
  | "dispatched"
  | "accepted"
  | "en_route"
  | "on_site"
  | "working"
  | "completed"
  | "callback"
  | "archived"
  | "suspended"
  | "returned"
  | "reopened"
  | "merged"
  | "cancelled";

/** A position the phone measured: WGS-84 degrees, metres, milliseconds. */
export interface Fix {
  lat: number;
  lon: number;
  acc_m?: number;
  age_ms?: number;
  mock?: boolean;
}

/** One fact as it stands in a visit of the projection; its own fields lie beside these. */
export interface Moment {
  at: number;
  fact: string;
  by: string;
  [field: string]: unknown;
}

export interface Visit {
  members: string[];
  crew?: string;
  standing?: string;
  accepted?: Moment;
  departed?: Moment;
  arrived?: Moment;
  started?: Moment;
  finished?: Moment;
  returned?: Moment;
  suspended?: Moment[];
  resumed?: Moment[];
  answers?: Record<string, Moment>;
  photos?: Moment[];
  notes?: Moment[];
  materials?: Moment[];
  positions?: Moment[];
  rating_opened?: Moment[];
  rating?: Moment;
}

/** A limit as the server computed it: `due` are the earliest and latest deadline in ms; `verdict` once it is judged. */
export interface Limit {
  name: string;
  amount: number;
  unit: "min" | "h" | "wd" | "cd";
  due: [number, number];
  verdict: string | null;
  moment?: unknown;
  provisional?: boolean;
  assumed?: boolean;
}

/** A ticket as the crew should see it: the server's projection with the phone's own newer facts laid over. */
export interface TicketView {
  id: string;
  state: TicketState;
  number?: string;
  kind?: string;
  description?: string;
  address?: string;
  area_class?: "urban" | "rural" | "remote";
  customer_name?: string;
  contact_phone?: string;
  position?: { lat: number; lon: number; acc_m?: number; source?: string };
  received_at?: number;
  appointment?: number;
  priority?: number;
  fault_class?: string;
  cause?: string;
  remarks?: string;
  station?: string;
  area?: string;
  transformer_area?: string;
  feeder?: string;
  meter_asset_no?: string;
  account_no?: string;
  assigned_crew?: string;
  fence?: number;
  assignments?: { crew: string; fence: number; at: number; by: string; how: string }[];
  visits?: Record<string, Visit>;
  limits?: Limit[];
  contests?: Record<string, unknown>;
  /** Answers from customers' own phones, by "<ticket>:<fence>": that one came, never what it says. */
  own_ratings?: Record<string, unknown>;
  /** Path of the customer's own rating page for the present assignment, for example "/r/…"; the origin is this page's. */
  rating_path?: string;
  /** "already handled by A at 14:05". */
  handled?: { crew: string; at: number };
  closing?: { how?: string; at: number; reason?: string; by?: string };
  gone?: string | null;
  gone_to?: { crew?: string; at?: number };
  [field: string]: unknown;
}

// ------------------------------------------------------------------------------------------------------------- guides

/** An XPath expression of a form, compiled by the server to prefix lists; see core/guide.ts for the operators. */
export type Expression = string | number | boolean | Operation;
/** [operator, …operands] */
export interface Operation extends ReadonlyArray<Expression> {
  readonly 0: string;
}

export type StepType = "tick" | "choice" | "choices" | "number" | "text" | "photo" | "scan" | "signature" | "note";

export interface Step {
  id: string;
  type: StepType;
  label: Label;
  hint?: Label;
  required?: boolean;
  safety?: boolean;
  /** Name of the list in `Guide.choices` (choice, choices) and which of its rows are offered. */
  list?: string;
  filter?: Expression;
  unit?: string;
  normal?: [number, number];
  integer?: boolean;
  relevant?: Expression;
  constraint?: Expression;
  constraint_message?: Label;
  /** What a photo shows: before, after, meter, document, other. */
  shows?: string;
}

/** A work guide (作业指导卡) of one version: the record `guide` `<guide>:<version>`. Only `superseded` ever changes. */
export interface Guide {
  guide: string;
  version: number;
  title: Label;
  /** Ticket kinds it is for, and causes or fault classes (empty: any). */
  kinds: string[];
  causes: string[];
  superseded: boolean;
  choices: Record<string, { name: string; label: Label; [column: string]: unknown }[]>;
  steps: Step[];
}

export type AnswerValue = string | number | boolean | string[];

// -------------------------------------------------------------------------------------------------------------- phone

export interface Saved {
  fact: string;
  kind: string;
  ticket: string;
  visit: string | null;
  wall: number;
}

export interface QueueItem {
  kind: string;
  truth: Truth;
  n: number;
  journal: string;
  fact?: string;
  ticket?: string;
  wall?: number;
  /** Slug of the outcome or upload problem, when the truth is `needs_you`. */
  why?: string;
  /** Photos: bytes. `percent` of all its forms is at the server. */
  sha256?: string;
  percent?: number;
  size_bytes?: number;
}

/** What the header pill and the queue say; every number is counted from the journal. */
export interface Status {
  waiting: number;
  photosWaiting: number;
  needsYou: number;
  /** Server time of the newest verified statement, or null. */
  heardAt: number | null;
  /** What the syncer does now; `resting` until `nextAt` (wall ms). */
  syncing: "idle" | "talking" | "uploading" | "resting";
  nextAt: number | null;
  /** Why the last try failed: "offline", "foreign" (captive portal or a server we do not know), or a problem's slug. */
  trouble: string | null;
  /** `percent` of what is being sent now. */
  percent: number | null;
  /** How far the server's clock was ahead of this phone's when it was last heard, ms; 0 before that. */
  clockOff: number;
}

export interface Notice {
  slug: string;
  [detail: string]: unknown;
}

/** A photo as the camera made it; `preview` and `copy` are missing when the original could not be decoded. */
export interface Picture {
  original: ArrayBuffer;
  type: string;
  preview?: ArrayBuffer;
  copy?: ArrayBuffer;
}

/** A station (供电所) as the phone knows it. */
export interface Station {
  id: string;
  name: Label;
  emergency_phone?: string;
}

/** One entry of the server's ledger of points, with its own sentences on why. */
export interface Points {
  id: string;
  number?: string;
  content: { kind: string; ticket: string; visit: string; milli: number };
  explained?: { zh: string[]; en: string[] };
  [field: string]: unknown;
}

export interface SelfTest {
  installed: boolean;
  persisted: boolean;
  writes: boolean;
  signs: boolean;
  tickets: number;
  guides: number;
  freeMb: number | null;
}

export class PhoneFault extends Error {
  /** `slug` is one of: not-saved, storage-full, photo-empty, photo-too-large, no-rating-key, answer-too-long, unsent, bad-code,
   *  unreachable, foreign-server, store-too-new, bad-value, not-a-bundle. */
  constructor(
    readonly slug: string,
    message = slug,
    readonly detail: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

/** What opening the store found. */
export type Opened =
  | { state: "fresh" }
  /** The store is empty, but this browser remembers `device`, how many facts it had written, and how many were stated. */
  | { state: "wiped"; device: string; n: number; stated: number }
  | { state: "ready"; phone: Phone };

/** One crew member's phone. A verb resolves when its fact is durable: only then may a screen say saved. Rejects: PhoneFault. */
export interface Phone {
  readonly device: string;
  readonly member: string;
  readonly address: string;

  tickets(): Promise<TicketView[]>;
  ticket(id: string): Promise<TicketView | null>;
  /** The visit further facts of this phone's crew would belong to, with its id; null before the first. */
  visit(view: TicketView): { id: string; visit: Visit } | null;
  /** The guide pinned by this visit's answers, else the newest that fits kind and cause; null when none fits. */
  guideFor(view: TicketView): Promise<Guide | null>;
  guides(): Promise<Guide[]>;
  /** Names of crews and members by id. */
  names(): Promise<Record<string, Label>>;
  /** The station of that id, else the crew's own, for its emergency number; null while this phone has no record of any. */
  station(id: string | undefined): Promise<Station | null>;
  points(): Promise<Points[]>;
  queue(): Promise<QueueItem[]>;
  /** Facts of this phone on a ticket or visit, each with its word of truth (by fact id). */
  truths(ticket: string): Promise<Map<string, Truth>>;
  notices(): Promise<Notice[]>;
  dismissNotice(index: number): Promise<void>;
  status(): Promise<Status>;
  /** Called after every durable change, also one made by another tab, and whenever the syncer moves. Returns unsubscribe. */
  subscribe(listener: () => void): () => void;
  /** The bytes of a photo still on this phone, smallest form first; null when gone. */
  picture(sha256: string): Promise<Blob | null>;

  accept(ticket: string, body?: { eta_min?: number }): Promise<Saved>;
  depart(ticket: string, body?: { fix?: Fix }): Promise<Saved>;
  arrive(ticket: string, body?: { fix?: Fix; far_reason?: string; no_fix_reason?: string }): Promise<Saved>;
  start(ticket: string): Promise<Saved>;
  correctPosition(ticket: string, body: { fix: Fix; of?: string }): Promise<Saved>;
  answer(
    ticket: string,
    body: {
      guide: string;
      guide_version: number;
      step: string;
      value?: AnswerValue;
      unit?: string;
      cannot_reason?: string;
      safety?: boolean;
    },
  ): Promise<Saved>;
  /** Original, preview and copy are durable together with the fact. */
  photo(ticket: string, picture: Picture, body?: { step?: string; shows?: string }): Promise<Saved>;
  note(ticket: string, text: string): Promise<Saved>;
  material(ticket: string, body: { name: string; quantity: number; unit?: string; code?: string }): Promise<Saved>;
  amend(ticket: string, set: Record<string, unknown>): Promise<Saved>;
  raise(set: Record<string, unknown>, told_number?: string): Promise<Saved>;
  suspend(ticket: string, reason: string): Promise<Saved>;
  resume(ticket: string): Promise<Saved>;
  giveBack(
    ticket: string,
    body: { reason: "wrong_specialty" | "not_as_described" | "no_access" | "other"; text?: string },
  ): Promise<Saved>;
  finish(ticket: string, body?: { result?: string; cause?: string }): Promise<Saved>;
  openRating(ticket: string): Promise<Saved>;
  /** `answer` is sealed before it is written; without one say why by `result`. */
  closeRating(
    opened: Saved,
    answer: Record<string, unknown> | null,
    body?: { result?: "answered" | "declined" | "abandoned" | "away"; reason?: string },
  ): Promise<Saved>;

  /** Try to reach the server now; resolves when the conversation ended. Never rejects: `status` tells. */
  sync(why: string): Promise<void>;
  /** Begin the syncer's triggers (timer, online, visible, poke). */
  run(): () => void;

  selfTest(): Promise<SelfTest>;
  /** Everything not yet stated, as one file a person can carry (and photos that wait). */
  exportBundle(): Promise<{ name: string; blob: Blob; lines: number }>;
  importFile(bytes: Uint8Array): Promise<{ lines: number; delivered: boolean }>;
  /** Forget this phone. Rejects with `unsent` while something is only here, unless `exported` names what was saved. */
  signOut(options?: { exported?: boolean }): Promise<void>;
  /** Small things a screen must not forget over a kill: where it was, the PIN's hash, theme, language, a half-written form. */
  remember(name: string, value: unknown): Promise<void>;
  recall<T>(name: string): Promise<T | undefined>;
}
