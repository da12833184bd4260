// Photos on their way into the store and the queue: the forms of one picture, the fact that names them, and its word of truth.
// Pure but for hashing. Refuses to know how a picture is made or sent.

import { sha256Hex } from "./bytes";
import type { Body } from "./facts";
import type { Attachment, PhotoForm, Role } from "./pocket";
import { PhoneFault, type Picture, type QueueItem } from "./types";

const MIB = 1024 * 1024;
/** A 50-megapixel JPEG of a phone has about 20 MiB; the server takes no more by default. */
export const PHOTO_BYTES_MAX = 24 * MIB;
/** What the wire has room for (sync/kinds/work.py). */
const FORM_BYTES_MAX: Record<Exclude<Role, "original">, number> = { preview: 64 * 1024, copy: 4 * MIB };

/** Throws PhoneFault photo-empty, photo-too-large. */
export function checkSize({ original }: Picture): void {
  const [mb, max_mb] = [Math.ceil(original.byteLength / MIB), PHOTO_BYTES_MAX / MIB];
  if (!original.byteLength) throw new PhoneFault("photo-empty");
  if (original.byteLength > PHOTO_BYTES_MAX) throw new PhoneFault("photo-too-large", undefined, { mb, max_mb });
}

/** The original first, then the smaller forms that fit; a smaller form that does not is left out, never the photo. */
export async function attachments({ original, type, preview, copy }: Picture): Promise<Attachment[]> {
  const of = await sha256Hex(original);
  const made: Attachment[] = [{ sha256: of, role: "original", of, type: type || null, bytes: original }];
  for (const [role, bytes] of [["preview", preview], ["copy", copy]] as const) {
    if (!bytes?.byteLength || bytes.byteLength > FORM_BYTES_MAX[role]) continue;
    const sha256 = await sha256Hex(bytes);
    if (made.every((form) => form.sha256 !== sha256)) made.push({ sha256, role, of, type: "image/jpeg", bytes });
  }
  return made;
}

/** What the fact says of the bytes. */
export function photoFact([original, ...smaller]: readonly Attachment[]): Body {
  const named = ({ sha256, bytes }: Attachment): Body => ({ sha256, size_bytes: bytes.byteLength });
  const forms = Object.fromEntries(smaller.map((form) => [form.role, named(form)]));
  return original ? { ...named(original), ...(original.type ? { type: original.type } : {}), ...forms } : {};
}

/** One item for each photo, whatever forms of it are on the phone; `heard`: whether the server was ever reached. */
export function photoItems(forms: readonly PhotoForm[], heard: boolean): QueueItem[] {
  const photos = new Map<string, PhotoForm[]>();
  for (const form of forms) photos.set(form.of, [...(photos.get(form.of) ?? []), form]);
  return [...photos.values()].map((each) => photoItem(each, heard));
}

function photoItem(forms: PhotoForm[], heard: boolean): QueueItem {
  const [size, sent] = [sum(forms.map((form) => form.size)), sum(forms.map((form) => form.sent))];
  const { journal, n, ticket, of: sha256 } = forms[0]!;
  const why = forms.find((form) => form.problem !== null)?.problem;
  const done = forms.every((form) => form.received !== null);
  const truth = done ? "hq_has_it" : why ? "needs_you" : sent ? "sending" : heard ? "waiting" : "saved";
  const item = { kind: "photo_bytes", truth, n, journal, ticket, sha256, size_bytes: size } as const;
  return { ...item, percent: Math.floor((100 * sent) / size), ...(why ? { why } : {}) };
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
