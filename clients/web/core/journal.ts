// The hash chain of one device's lines; twin of sync/journal.py.
//
//   h(0) = SHA-256("lamplighter/journal/1\n" + journal id)        h(n) = SHA-256(h(n-1) ‖ SHA-256(line n))
//
// A fact's id is h(n) in base64url. Lines are hashed as the bytes that were written: there is no canonical form to argue over.

import { type Bytes, concat, fromBase64url, sha256, toBase64url, utf8 } from "./bytes";
import type { FactId } from "./facts";

export const LINE_BYTES_MAX = 16 * 1024;

/** h(0) of a journal: 32 bytes. */
export function genesis(journal: string): Promise<Bytes> {
  return sha256(utf8(`lamplighter/journal/1\n${journal}`));
}

/** h(n) from h(n-1) and line n, without its line feed. */
export async function link(head: Uint8Array, line: Bytes): Promise<Bytes> {
  return sha256(concat(head, await sha256(line)));
}

/** A head as text: base64url, 43 characters, no padding. */
export function factId(head: Uint8Array): FactId {
  return toBase64url(head);
}

/** The 32 bytes of a fact id, or null when the text is not one (also when it is not the one way to write it). */
export function headBytes(text: string): Bytes | null {
  if (text.length !== 43) return null;
  try {
    return fromBase64url(text);
  } catch {
    return null;
  }
}
