// What to show: the server's projection with the phone's own newer facts laid over it, and the word of truth for each fact.
//
// Twin of the showing half of sync/replica.py. Enough for a screen, while the server's merge decides. Refuses to store.

import type { Body, FactId, JournalState, QueueEntry, ReplicaState, Row } from "./facts";
import { KINDS, type Kind, privateFields, RANK } from "./kinds";
import type { Line, Reader } from "./pocket";
import type { TicketState, TicketView, Truth } from "./types";
import { bodyOf, readLine } from "./wire";

/** The part of a journal that the request now under way covers. */
export interface Sending { journal: string; first: number; last: number }

/** One ticket as the crew should see it, or null when this phone knows nothing of it. */
export async function shown(reader: Reader, state: ReplicaState, ticket: string): Promise<TicketView | null> {
  return shownOver(reader, state, ticket, await reader.row(["ticket", ticket]));
}

/** Every ticket in scope, and those raised here that have not come down yet. */
export async function everyTicket(reader: Reader, state: ReplicaState): Promise<TicketView[]> {
  const rows = (await reader.rows("ticket")).filter((row) => Object.keys(row.scopes).length > 0);
  const confirmed = rows.map((row) => shownOver(reader, state, row.id, row));
  const raised = [...state.raised].sort().map((ticket) => shown(reader, state, ticket));
  return (await Promise.all([...confirmed, ...raised])).filter((view) => view !== null);
}

async function shownOver(reader: Reader, state: ReplicaState, ticket: string, row: Row | null): Promise<TicketView | null> {
  const mine = await ownLines(reader, state, ticket, row);
  if (row === null && mine.length === 0) return null;
  const view = (row?.put ?? {}) as TicketView;
  for (const line of mine) layOver(view, readLine(line.raw), line.fact, state.member);
  view.id = ticket;
  if (row?.gone && Object.keys(row.scopes).length === 0) Object.assign(view, { gone: row.gone, gone_to: row.gone_to });
  return view;
}

/** The phone's own facts on a ticket that the confirmed copy does not speak for, without those the server set aside. */
async function ownLines(reader: Reader, state: ReplicaState, ticket: string, row: Row | null): Promise<Line[]> {
  const have = (row?.put["have"] ?? {}) as Record<string, number>;
  const known = (own: JournalState): number => {
    if (row !== null) return counted(own, have);
    return state.raised.includes(ticket) ? 0 : own.stated;
  };
  const lists = await Promise.all(state.journals.map((own) => reader.linesOf(ticket, own.id, known(own) + 1, own.n)));
  const lines = lists.flat();
  const outcomes = await reader.rowsAt(lines.map((line) => ["outcome", line.fact]));
  return lines.filter((_, index) => !["quarantined", "refused"].includes(outcomes[index]?.put["outcome"] as string));
}

/** Up to which n a projection holds a journal's facts; where the journal forked, in whichever branch is ours. */
function counted(own: JournalState, have: Record<string, number>): number {
  if (!own.forked) return have[own.id] ?? 0;
  const branches = Object.entries(have).filter(([name]) => name.split("~")[0] === own.id);
  return Math.max(0, ...branches.map(([, n]) => n));
}

function layOver(view: TicketView, line: Body, fact: FactId, member: string): void {
  const kind = KINDS.get(line["kind"] as string);
  if (kind === undefined) return;
  const hidden = privateFields(kind);
  const body = Object.fromEntries(Object.entries(bodyOf(line)).filter(([name]) => !hidden.has(name)));
  if (kind.corrects) Object.assign(view, body["set"]);
  if (kind.slot?.of === "visit") {
    const moment = { at: line["wall"], fact, by: `member:${member}`, ...body };
    const visits = (view.visits ??= {}) as unknown as Record<string, Body>;
    putInVisit((visits[line["visit"] as string] ??= { members: [`member:${member}`] }), kind.slot, moment);
  }
  moveOn(view, kind);
}

function putInVisit(visit: Body, slot: NonNullable<Kind["slot"]>, moment: Body): void {
  if (slot.each !== undefined) {
    const byField = (visit[slot.name] ??= {}) as Body;
    byField[moment[slot.each] as string] = moment;
  } else if (slot.policy === "append") {
    ((visit[slot.name] ??= []) as Body[]).push(moment);
  } else {
    visit[slot.name] ??= moment;
  }
}

/** Own facts move a ticket on but never back, and never open a closed one. */
function moveOn(view: TicketView, kind: Kind): void {
  if (kind.moves === undefined) return;
  const now = view.state as TicketState | undefined;
  const resumed = kind.name === "resumption" && now === "suspended";
  if (now === undefined || resumed || RANK[kind.moves] >= RANK[now]) view.state = kind.moves;
}

// ------------------------------------------------------------------------------------------------------------ words of truth

/** Every fact still on the phone with its word of truth, oldest first; only those of one ticket when it is named. */
export async function queueOf(
  reader: Reader, state: ReplicaState, sending: Sending | null, only?: { ticket: string },
): Promise<QueueEntry[]> {
  const outcomes = new Map((await reader.rows("outcome")).map((row) => [row.id, row]));
  const lists = await Promise.all(state.journals.map(async (own) => {
    const lines = await (only ? reader.linesOf(only.ticket, own.id, 1, own.n) : reader.lines(own.id, 1, own.n));
    return lines.map(({ raw: _, ...line }): QueueEntry => {
      const outcome = outcomes.get(line.fact) ?? null;
      const truth = truthOf(state, own, line.n, outcome, sending);
      return { ...line, truth, why: truth === "needs_you" ? whyOf(outcome!) : null };
    });
  }));
  return lists.flat();
}

/** How many facts still on the phone the server contested or quarantined. */
export async function countNeedsYou(reader: Reader): Promise<number> {
  const asked = (await reader.rows("outcome")).filter(needsSomebody);
  return (await Promise.all(asked.map((row) => reader.lineOf(row.id)))).filter((line) => line !== null).length;
}

/** The word for one fact, from the journal alone. */
function truthOf(state: ReplicaState, own: JournalState, n: number, outcome: Row | null, sending: Sending | null): Truth {
  if (outcome !== null && needsSomebody(outcome)) return "needs_you";
  if (n <= own.stated) return "hq_has_it";
  if (sending !== null && sending.journal === own.id && sending.first <= n && n <= sending.last) return "sending";
  return state.heard_at || own.unsure ? "waiting" : "saved";
}

/** Whether the server said of a fact that a person must look at it. */
function needsSomebody(outcome: Row): boolean {
  return ["contested", "quarantined"].includes(outcome.put["outcome"] as string);
}

function whyOf(outcome: Row): string {
  return String(outcome.put["slug"] ?? outcome.put["outcome"]);
}
