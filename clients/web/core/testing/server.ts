// A server small enough to be read at once: it checks the chain, stores lines, states them, and serves one ticket.
// For tests of several tabs; the real server and this client meet in tests/web.

import { type Bytes, fromUtf8, utf8 } from "../bytes";
import type { Body, FactId } from "../facts";
import { factId, genesis, headBytes, link } from "../journal";
import { readLine } from "../wire";
import { sign } from "./keys";

interface Journal { lines: Body[]; heads: FactId[] }

export class SmallServer {
  readonly journals = new Map<string, Journal>();
  time = 1_795_312_800_000;
  durable = 0;
  private position = 1;

  /** One request and its reply. */
  async exchange(body: Bytes): Promise<Bytes> {
    const [envelope, ...lines] = split(body);
    const said = readLine(envelope!);
    const journal = await this.journalOf(said["journal"] as string);
    const problem = lines.length > 0 ? await this.store(journal, said["after"] as FactId, lines) : null;
    const known = journal.heads[said["n"] as number] === said["head"] ? (said["n"] as number) : journal.heads.length - 1;
    const statement = { statement: await this.statement(said["journal"] as string, known, journal.heads[known]!) };
    const rest = problem === null ? this.page(said["cursor"]) : [{ problem }];
    return utf8([statement, ...rest].map((line) => `${JSON.stringify(line)}\n`).join(""));
  }

  /** The notes of the ticket as everybody sees them. */
  get notes(): FactId[] {
    const notesOf = ({ lines, heads }: Journal): FactId[] => heads.slice(1).filter((_, n) => lines[n]!["kind"] === "note");
    return [...this.journals.values()].flatMap(notesOf);
  }

  private async journalOf(id: string): Promise<Journal> {
    const known = this.journals.get(id) ?? { lines: [], heads: [factId(await genesis(id))] };
    this.journals.set(id, known);
    return known;
  }

  private async store(journal: Journal, after: FactId, lines: Bytes[]): Promise<Body | null> {
    const at = journal.heads.indexOf(after);
    const newest = { n: journal.heads.length - 1, head: journal.heads.at(-1) };
    if (at < 0) return { slug: "unknown-after", action: "resync", heads: [newest] };
    const heads = [after];
    for (const line of lines) heads.push(factId(await link(headBytes(heads.at(-1)!)!, line)));
    for (const [index, head] of heads.entries()) {
      if (journal.heads[at + index] === undefined) {
        journal.heads.push(head);
        journal.lines.push(readLine(lines[index - 1]!));
        this.position += 1;
      } else if (journal.heads[at + index] !== head) {
        return { slug: "fork", action: "resync" };
      }
    }
    return null;
  }

  private statement(journal: string, n: number, head: FactId): Promise<string> {
    this.time += 1000;
    const where = { journal, n, head, durable: this.durable };
    return sign({ ...where, time: this.time, radius: 500, incarnation: "k1", ledger: this.position, root: "" });
  }

  private page(since: unknown): Body[] {
    const have = Object.fromEntries([...this.journals].map(([id, { lines }]) => [id, lines.length]));
    const notes = this.notes.map((fact) => ({ fact }));
    const put = { state: "dispatched", fence: 1, have, visits: { v1: { members: ["member:m"], notes } } };
    const row = { scope: "crew:A", at: this.position, kind: "ticket", id: "t1", put };
    return [row, { end: true, since, cursor: { k1: { "crew:A": this.position } }, more: false }];
  }
}

function split(body: Bytes): Bytes[] {
  const text = fromUtf8(body).split("\n").slice(0, -1);
  return text.map(utf8);
}
