// Seals the customer's answer to the server, so that the crew can neither read nor alter what was said on their phone.
//
// HPKE (RFC 9180) base mode, one message: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, by WebCrypto alone. The answer
// is JSON padded with spaces to 256 bytes, so every score has the same sealed length. Twin of server/seal.py, which opens it.
// Refuses to know where the key comes from: the key list tells.

import { type Bytes, concat, fromBase64url, toBase64url, utf8 } from "./bytes";
import type { PublicJwk } from "./keys";
import { PhoneFault } from "./types";

export const ANSWER_BYTES = 256;
const KEM_ID = 0x0010, KDF_ID = 0x0001, AEAD_ID = 0x0001;
const SECRET_BYTES = 32, KEY_BYTES = 16, NONCE_BYTES = 12;
const EMPTY = new Uint8Array(0);

/** What a sealed answer is bound to. */
export interface Opening { ticket: string; visit: string; opened: string; kid: string }

/** The answer sealed to the server: 450 characters whatever was answered. Rejects with PhoneFault answer-too-long. */
export async function sealRating(
  subtle: SubtleCrypto, answer: Record<string, unknown>, to: PublicJwk, opening: Opening,
): Promise<string> {
  const ephemeral = await subtle.generateKey(CURVE, false, ["deriveBits"]);
  return toBase64url(await seal(subtle, ephemeral, point(to), ratingInfo(opening), padded(answer)));
}

/** Parts must not run together, so none may hold a line feed; identifiers never do. */
export function ratingInfo({ ticket, visit, opened, kid }: Opening): Bytes {
  const parts = [ticket, visit, opened, kid];
  if (parts.some((part) => part.includes("\n"))) throw new PhoneFault("bad-value", "an identifier holds a line feed");
  return utf8(["lamplighter/rating/1", ...parts].join("\n"));
}

function padded(answer: Record<string, unknown>): Bytes {
  const data = utf8(JSON.stringify(answer));
  const [bytes, most] = [data.length, ANSWER_BYTES];
  if (bytes > most) throw new PhoneFault("answer-too-long", undefined, { bytes, most });
  const whole = new Uint8Array(ANSWER_BYTES).fill(0x20); // spaces, which JSON ignores
  whole.set(data);
  return whole;
}

// ------------------------------------------------------------------------------------------------- RFC 9180, base mode

const CURVE = { name: "ECDH", namedCurve: "P-256" } as const;
const VERSION = utf8("HPKE-v1");
const KEM_SUITE = concat(utf8("KEM"), twoBytes(KEM_ID));
const SUITE = concat(utf8("HPKE"), twoBytes(KEM_ID), twoBytes(KDF_ID), twoBytes(AEAD_ID));
const BASE_MODE = new Uint8Array([0]);

/** §6.1 Seal for one message: the sender's point, then the ciphertext. `ephemeral` is used once and forgotten. */
export async function seal(
  subtle: SubtleCrypto, ephemeral: CryptoKeyPair, to: Bytes, info: Bytes, plaintext: Bytes, aad = EMPTY,
): Promise<Bytes> {
  const sender = new Uint8Array(await subtle.exportKey("raw", ephemeral.publicKey));
  const secret = await encapsulated(subtle, ephemeral.privateKey, sender, to);
  const { key, nonce } = await keySchedule(subtle, secret, info);
  const aes = await subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
  const sealed = await subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: aad }, aes, plaintext);
  return concat(sender, new Uint8Array(sealed));
}

/** §4.1 Encap, after the key was made. */
async function encapsulated(subtle: SubtleCrypto, own: CryptoKey, sender: Bytes, to: Bytes): Promise<Bytes> {
  const peer = await subtle.importKey("raw", to, CURVE, false, []);
  const agreed = new Uint8Array(await subtle.deriveBits({ name: "ECDH", public: peer }, own, 256));
  const prk = await labeledExtract(subtle, KEM_SUITE, EMPTY, "eae_prk", agreed);
  return labeledExpand(subtle, KEM_SUITE, prk, "shared_secret", concat(sender, to), SECRET_BYTES);
}

/** §5.1 KeySchedule without a pre-shared key. */
async function keySchedule(subtle: SubtleCrypto, sharedSecret: Bytes, info: Bytes): Promise<{ key: Bytes; nonce: Bytes }> {
  const pskIdHash = await labeledExtract(subtle, SUITE, EMPTY, "psk_id_hash", EMPTY);
  const infoHash = await labeledExtract(subtle, SUITE, EMPTY, "info_hash", info);
  const context = concat(BASE_MODE, pskIdHash, infoHash);
  const secret = await labeledExtract(subtle, SUITE, sharedSecret, "secret", EMPTY);
  const key = await labeledExpand(subtle, SUITE, secret, "key", context, KEY_BYTES);
  return { key, nonce: await labeledExpand(subtle, SUITE, secret, "base_nonce", context, NONCE_BYTES) };
}

function labeledExtract(subtle: SubtleCrypto, suite: Bytes, salt: Bytes, label: string, material: Bytes): Promise<Bytes> {
  return hmac(subtle, salt, concat(VERSION, suite, utf8(label), material));
}

/** §4 LabeledExpand. Nothing here is longer than one block of SHA-256, so HKDF-Expand is a single round. */
async function labeledExpand(subtle: SubtleCrypto, suite: Bytes, prk: Bytes, label: string, info: Bytes, length: number) {
  const labeled = concat(twoBytes(length), VERSION, suite, utf8(label), info);
  return (await hmac(subtle, prk, concat(labeled, new Uint8Array([1])))).slice(0, length);
}

async function hmac(subtle: SubtleCrypto, key: Bytes, data: Bytes): Promise<Bytes> {
  // An empty salt is a block of zeros by RFC 5869, and WebCrypto takes no empty key.
  const raw = key.length ? key : new Uint8Array(32);
  const imported = await subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, data));
}

function twoBytes(value: number): Bytes {
  return new Uint8Array([value >> 8, value & 255]);
}

function point(jwk: PublicJwk): Bytes {
  return concat(new Uint8Array([4]), fromBase64url(jwk.x), fromBase64url(jwk.y));
}
