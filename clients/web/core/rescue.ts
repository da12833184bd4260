// The rescue file: everything that is only on this phone, in one file a person can carry; and delivering such a file for
// somebody.
//
// A bundle is a saved request body, so one bundle alone is that body and `lamplighter handset bundle-in` delivers it. What
// needs several bundles, or has photos, is a plain ZIP of them. Nothing is stated by writing a file. Refuses to know what
// facts mean.

import { type Bytes, fromUtf8, sha256Hex, utf8 } from "./bytes";
import type { Outgoing } from "./facts";
import { Declined, type Link, stranger, Unreachable } from "./link";
import type { Pocket } from "./pocket";
import type { Replica } from "./replica";
import type { Syncer } from "./syncer";
import { PhoneFault } from "./types";
import { parseReply } from "./wire";
import { type Entry, unzip, zip } from "./zip";

const SYNC_PATH = "/v1/sync";
const BUNDLE = /^bundle-\d+\.ndjson$/;
const PHOTO = /^photos\/([0-9a-f]{64})$/;
const ABOUT = [
  "本文件包含一部班组终端尚未上传的全部内容。请在任一已登记的终端上选择“设置 → 救援文件 → 导入”，",
  "或逐个交付 bundle-*.ndjson；重复交付无妨。照片在 photos/ 中，以其 SHA-256 命名。",
  "",
  "This holds everything a crew's phone has not sent yet. Import it on any enrolled phone (Settings → Rescue file → Import),",
  "or deliver the bundle-*.ndjson one after the other; twice does no harm. Photos lie in photos/, named by their SHA-256.",
  "",
].join("\n");

export interface RescueFile { name: string; blob: Blob; lines: number }

/** Everything not yet stated, and the bytes of all photos the server lacks. */
export async function rescueFile(replica: Replica, pocket: Pocket, wallMs: number): Promise<RescueFile> {
  const bundles = await replica.bundles({ now_wall: wallMs });
  const photos = await waitingPhotos(pocket);
  const lines = bundles.reduce((sum, bundle) => sum + bundle.lines, 0);
  const { device } = await replica.state();
  const stem = `lamplighter-${new Date(wallMs).toISOString().slice(0, 16).replace(/\D/g, "")}-${device.slice(-6)}`;
  const [only] = bundles;
  if (only && bundles.length === 1 && !photos.length) {
    return { name: `${stem}.ndjson`, blob: new Blob([only.body], { type: "application/x-ndjson" }), lines };
  }
  const named = bundles.map((bundle: Outgoing, index) => ({ name: `bundle-${index + 1}.ndjson`, bytes: bundle.body }));
  const entries = [{ name: "README.txt", bytes: utf8(ABOUT) }, ...named, ...photos];
  return { name: `${stem}.zip`, blob: new Blob(zip(entries), { type: "application/zip" }), lines };
}

async function waitingPhotos(pocket: Pocket): Promise<Entry[]> {
  const waiting = (await pocket.photos()).filter((form) => form.received === null);
  const found: Entry[] = [];
  for (const { sha256 } of waiting) {
    const bytes = await pocket.bytes(sha256);
    if (bytes) found.push({ name: `photos/${sha256}`, bytes: new Uint8Array(bytes) });
  }
  return found;
}

// -------------------------------------------------------------------------------------------------------- bringing one in

/** What came of a file: lines delivered for somebody, or lines of our own that a reply says HQ has. */
export interface BroughtIn { lines: number; delivered: boolean }

/** Takes in a bundle, a ZIP of bundles and photos, or a reply. Rejects: not-a-bundle, unreachable, foreign-server. */
export async function bringIn(file: Bytes, link: Link, syncer: Syncer): Promise<BroughtIn> {
  const entries = unzip(file);
  try {
    if (entries) return await deliverAll(entries, link, syncer);
    const first = firstLine(file);
    if ("statement" in first) return await takeReply(file, syncer);
    if (!isRequest(first)) throw new PhoneFault("not-a-bundle");
    return { lines: await deliver(file, link, syncer), delivered: true };
  } catch (error) {
    throw asFault(error);
  }
}

async function takeReply(reply: Bytes, syncer: Syncer): Promise<BroughtIn> {
  const applied = await syncer.apply(reply);
  if (!applied.heard) throw new PhoneFault("foreign-server");
  return { lines: applied.stated, delivered: false };
}

async function deliverAll(entries: Entry[], link: Link, syncer: Syncer): Promise<BroughtIn> {
  const bundles = entries.filter(({ name, bytes }) => BUNDLE.test(name) && isRequest(firstLine(bytes)));
  const photos = entries.filter(({ name }) => PHOTO.test(name));
  if (!bundles.length && !photos.length) throw new PhoneFault("not-a-bundle");
  let lines = 0;
  for (const { bytes } of bundles) lines += await deliver(bytes, link, syncer);
  for (const { name, bytes } of photos) {
    const sha256 = PHOTO.exec(name)?.[1] ?? "";
    if ((await sha256Hex(bytes)) === sha256) await syncer.carry(sha256, bytes.buffer);
  }
  return { lines, delivered: true };
}

/** One request on somebody's behalf; its lines were taken when the server states so. */
async function deliver(body: Bytes, link: Link, syncer: Syncer): Promise<number> {
  const answer = await link.exchange(SYNC_PATH, body);
  if (answer.problem) throw new Declined(answer.problem);
  if (!(await syncer.trust.believes(parseReply(answer.body).statement))) throw stranger(answer.status);
  return body.reduce((count, byte) => count + Number(byte === LINE_FEED), -1);
}

const LINE_FEED = 10;

function isRequest(first: Record<string, unknown>): boolean {
  return ["journal", "head", "n"].every((name) => name in first);
}

function firstLine(file: Bytes): Record<string, unknown> {
  try {
    const line: unknown = JSON.parse(fromUtf8(file.subarray(0, Math.max(0, file.indexOf(LINE_FEED)))));
    return typeof line === "object" && line !== null ? { ...line } : {};
  } catch {
    return {};
  }
}

/** What a screen can say of why the server was not reached. */
export function asFault(error: unknown): unknown {
  if (error instanceof Declined) return new PhoneFault(error.slug, error.message);
  if (!(error instanceof Unreachable)) return error;
  return new PhoneFault(error.trouble === "foreign" ? "foreign-server" : "unreachable", error.message);
}
