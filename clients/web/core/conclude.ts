// What a reply changes: the statement, the rows of the page, and the repair a problem asks for. Twin of the applying half of
// sync/replica.py; works on a draft, so that all of it becomes durable together. Nothing unsent is ever touched here.

import type { Body, FactId, JournalState, Key, Problem, Reading, Row, Statement } from "./facts";
import { type Draft, isTorn } from "./draft";
import type { Sending } from "./overlay";
import type { Pocket } from "./pocket";
import type { End } from "./wire";

/** A statement whose signature was checked, with the text it came as and the request it answers (null: nobody knows which). */
export interface Told { statement: Statement; jws: string; asked: Sending | null }

/** How many lines are newly stated, and whether the server knows less than it once stated. */
interface Advance { stated: number; regressed: boolean }

// ------------------------------------------------------------------------------------------------------------- statements

/** Believe a statement only if it is about a journal of this phone and names this phone's own head there. */
export async function takeStatement(draft: Draft, told: Told | null, reading: Reading): Promise<Advance> {
  const own = told === null ? null : draft.journalOf(told.statement.journal);
  if (told === null || own === null) return { stated: 0, regressed: false };
  const { statement } = told;
  const late = statement.time < draft.state.heard_at;
  if (!late) takeAnchor(draft, told, own);
  if (statement.n > own.n) {
    // The server has more of this journal than the phone: its storage went backwards, and another life went on.
    own.forked = true;
    own.unsure = 0;
    return { stated: 0, regressed: false };
  }
  const head = await draft.headAt(own, statement.n);
  if (head !== null && head !== statement.head) {
    own.unsure = 0; // another life went on there; asking by head again would be answered the same for ever
    return { stated: 0, regressed: false };
  }
  return late && statement.n <= own.stated ? { stated: 0, regressed: false } : advance(draft, own, told, reading);
}

function takeAnchor(draft: Draft, { statement, jws }: Told, own: JournalState): void {
  const { state } = draft;
  state.anchor = jws;
  state.anchor_used = false;
  state.heard_at = statement.time;
  const otherHistory = state.incarnation !== "" && state.incarnation !== statement.incarnation;
  if (otherHistory || statement.ledger < state.ledger) draft.askAgain(own);
  state.incarnation = statement.incarnation;
  state.ledger = statement.ledger;
}

function advance(draft: Draft, own: JournalState, { statement, asked }: Told, reading: Reading): Advance {
  const newly = statement.n - own.stated;
  own.durable = Math.max(own.durable, Math.min(statement.durable, statement.n));
  // A server says how it stands at the n that was asked for; another tab, or a bundle, may have asked for an earlier one.
  const less = asked !== null && asked.journal === own.id && statement.n < asked.last;
  if (newly < 0 && own.unsure === 0 && less) {
    // The server knows less than it once stated: it was restored from a backup. What is still here goes again.
    draft.notice("server-regressed", { journal: own.id, stated: own.stated, now: statement.n });
    own.stated = statement.n;
    own.durable = Math.min(own.durable, statement.n);
    draft.askAgain(own);
    return { stated: 0, regressed: true };
  }
  if (newly > 0) {
    // The server's first word on this journal says nothing of those before it, and it may have forgotten them since.
    if (own === draft.journal && own.stated === 0) draft.askAgain(own);
    own.stated = statement.n;
    own.stated_at = reading.wall;
  }
  own.unsure = 0;
  return { stated: Math.max(0, newly), regressed: false };
}

// ------------------------------------------------------------------------------------------------------------- the page

/** Apply a whole page and move the cursor; the keys of what changed. The caller checked that it goes on from the last one. */
export async function applyPage(draft: Draft, pocket: Pocket, rows: readonly Body[], end: End): Promise<Key[]> {
  await draft.fetch(rows.filter((line) => "kind" in line).map(keyOf));
  const changed = await applyRows(draft, rows, Object.keys(end.cursor)[0] ?? "");
  if (!end["more"]) changed.push(...(await sweep(draft)));
  draft.state.cursor = end.cursor;
  await purge(draft, pocket);
  return changed;
}

async function applyRows(draft: Draft, rows: readonly Body[], incarnation: string): Promise<Key[]> {
  const changed: Key[] = [];
  for (const line of rows) {
    const scope = String(line["scope"]);
    if ("from" in line) await doubt(draft, scope, Number(line["from"]));
    else if ("put" in line) changed.push(await put(draft, scope, line, incarnation));
    else if ("kind" in line && "gone" in line) changed.push(await takeAway(draft, scope, line));
    else if ("gone" in line) changed.push(...(await loseScope(draft, scope)));
  }
  return changed;
}

async function put(draft: Draft, scope: string, line: Body, incarnation: string): Promise<Key> {
  const key = keyOf(line);
  const before = await draft.row(key);
  const at = Number(line["at"]);
  const scopes = { ...before?.scopes, [scope]: at };
  const doubtful = (before?.doubtful ?? []).filter((name) => name !== scope);
  const gone_to = before?.gone_to ?? {};
  draft.putRow({ kind: key[0], id: key[1], at, incarnation, put: line["put"] as Body, scopes, doubtful, gone: null, gone_to });
  draft.state.raised = draft.state.raised.filter((ticket) => ticket !== key[1]);
  return key;
}

async function takeAway(draft: Draft, scope: string, line: Body): Promise<Key> {
  const key = keyOf(line);
  const row = await draft.row(key);
  if (row === null) return key;
  const [gone, gone_to] = [String(line["gone"]), { ...(line["to"] as Body | undefined) }];
  if (row.kind === "ticket" && gone === "reassigned") {
    // The row goes once everything about it is sent; that a person lost a job must stay readable.
    draft.notice("reassigned", { ticket: row.id, number: row.put["number"] ?? null, ...gone_to });
  }
  const at = Math.max(row.at, Number(line["at"])); // whoever writes from now on has seen that it went
  draft.putRow({ ...without(row, [scope]), gone, gone_to, at });
  return key;
}

/** The server reads this scope again from an earlier place: mark what it may not send again. Never a wipe. */
async function doubt(draft: Draft, scope: string, position: number): Promise<void> {
  for (const row of await draft.rowsIn(scope)) {
    if (row.scopes[scope]! > position && !row.doubtful.includes(scope)) {
      draft.putRow({ ...row, doubtful: [...row.doubtful, scope] });
    }
  }
}

/** After a whole drain: what was marked and not sent again is gone from that scope. */
async function sweep(draft: Draft): Promise<Key[]> {
  const doubtful = await draft.doubtfulRows();
  for (const row of doubtful) draft.putRow({ ...without(row, row.doubtful), gone: row.gone || "not-in-this-history" });
  return doubtful.map((row) => [row.kind, row.id]);
}

async function loseScope(draft: Draft, scope: string): Promise<Key[]> {
  const lost = await draft.rowsIn(scope);
  for (const row of lost) {
    const scopes = Object.fromEntries(Object.entries(row.scopes).filter(([name]) => name !== scope));
    draft.putRow({ ...row, scopes, gone: "scope" });
  }
  return lost.map((row) => [row.kind, row.id]);
}

/** Drop records no scope holds any more, once nothing unsent speaks of them. */
async function purge(draft: Draft, pocket: Pocket): Promise<void> {
  const loose = await draft.looseRows();
  if (loose.length === 0) return;
  const open = draft.state.journals.filter((own) => own.stated < own.n);
  const unsent = (await Promise.all(open.map((own) => pocket.lines(own.id, own.stated + 1, own.n)))).flat();
  const spoken = new Set(unsent.map((line) => line.ticket));
  for (const row of loose) if (!spoken.has(row.id)) draft.dropRow([row.kind, row.id]);
}

/** A row without some scopes, and without doubt about them. */
function without(row: Row, scopes: readonly string[]): Row {
  const left = Object.fromEntries(Object.entries(row.scopes).filter(([name]) => !scopes.includes(name)));
  return { ...row, scopes: left, doubtful: row.doubtful.filter((name) => !scopes.includes(name)) };
}

function keyOf(line: Body): Key {
  return [String(line["kind"]), String(line["id"])];
}

// -------------------------------------------------------------------------------------------------------------- repairing

/** The oldest journal with something to send that can be sent, else the present one. */
export function nextJournal(journals: readonly JournalState[]): JournalState {
  return journals.find((own) => own.stated < own.n && (own.unsure > 0 || !isTorn(own))) ?? journals[journals.length - 1]!;
}

/** Do what a problem's repair data say about the journal that was asked for. */
export async function repair(draft: Draft, problem: Problem, asked: string | null): Promise<void> {
  const own = (asked === null ? null : draft.journalOf(asked)) ?? nextJournal(draft.state.journals);
  if (problem.slug === "unknown-after") await rewind(draft, own, problem.heads ?? []);
  if (problem.slug === "fork") own.forked = true;
}

async function rewind(draft: Draft, own: JournalState, heads: readonly { n: number; head: FactId }[]): Promise<void> {
  own.unsure = 0;
  const known: number[] = [];
  for (const { n, head } of heads) if (n <= own.n && (await draft.headAt(own, n)) === head) known.push(n);
  const before = own.stated;
  const wasTorn = isTorn(own);
  own.stated = Math.max(0, ...known);
  own.durable = Math.min(own.durable, own.stated);
  // That a torn one is still not known is no news.
  if (own.stated < before || (known.length === 0 && !wasTorn)) draft.askAgain(own);
}

/** A new journal where the present one cannot go on; true when one began. */
export async function beginAgain(draft: Draft, newId: () => string, reading: Reading): Promise<boolean> {
  const own = draft.journal;
  if (!own.forked && !isTorn(own)) return false;
  const why = isTorn(own) ? "lines-missing" : "fork";
  draft.notice(why, { journal: own.id, n: own.n });
  await draft.beginJournal(newId(), reading, why);
  return true;
}
