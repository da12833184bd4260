// Stand-in signatures, the same keyed hashes as in tests/scene.py, so that vectors of both languages are equal to the byte.

import { sha256Hex, utf8 } from "../bytes";
import type { Signer, Statement } from "../facts";

/** JSON as Python writes it: members in the order of their names, a blank after each comma and colon. */
function asPython(document: Record<string, string | number>): string {
  const members = Object.entries(document).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`).join(", ")}}`;
}

async function signed(key: string, document: Record<string, string | number>): Promise<string> {
  const body = asPython(document);
  return `${await sha256Hex(utf8(key + body))}|${body}`;
}

export function sign(statement: Statement): Promise<string> {
  return signed("server", { ...statement });
}

/** A device key as a keyed hash, and the trust in one server. */
export class PhoneKeys implements Signer {
  constructor(private readonly key: string) {}

  checkpoint(journal: string, n: number, head: string): Promise<string> {
    return signed(this.key, { journal, n, head });
  }

  async statement(jws: string): Promise<Statement | null> {
    const body = jws.slice(jws.indexOf("|") + 1);
    if (!jws.includes("|") || `${await sha256Hex(utf8(`server${body}`))}|${body}` !== jws) return null;
    return JSON.parse(body) as Statement;
  }
}
