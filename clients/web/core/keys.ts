// A phone's side of every signature: its own key, the pinned root, the server's key list and statements.
//
// Twin of clients/handset/keys.py. All signatures are compact JWS with ES256; a protected header is compared as text with the
// one that is expected and never parsed, so there is no `alg`, `kid` or `typ` to play with. Refuses to know what is signed.

import { fromBase64url, fromUtf8, toBase64url, utf8 } from "./bytes";
import type { Statement } from "./facts";

/** The public half of a P-256 key (RFC 7518 §6.2): nothing private can stand in it. */
export interface PublicJwk { kty: "EC"; crv: "P-256"; x: string; y: string }

/** The device's key as the store holds it; the private half can sign and cannot leave this browser. */
export type DeviceKey = CryptoKeyPair;

const CURVE = { name: "ECDSA", namedCurve: "P-256" } as const;
const ES256 = { name: "ECDSA", hash: "SHA-256" } as const;
const SIGNATURE_CHARACTERS = 86;
const STATEMENT_CHARACTERS_MAX = 2048;

export function createDeviceKey(subtle: SubtleCrypto): Promise<DeviceKey> {
  return subtle.generateKey(CURVE, false, ["sign", "verify"]);
}

/** What is sent at enrolment. */
export async function publicJwk(subtle: SubtleCrypto, key: DeviceKey): Promise<PublicJwk> {
  const { x, y } = await subtle.exportKey("jwk", key.publicKey);
  return { kty: "EC", crv: "P-256", x: x ?? "", y: y ?? "" };
}

/** A key's name (RFC 7638): what a person or a QR code can compare. */
export async function thumbprint(subtle: SubtleCrypto, jwk: PublicJwk): Promise<string> {
  const members = JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y });
  return toBase64url(new Uint8Array(await subtle.digest("SHA-256", utf8(members))));
}

/** One entry of the key list, as far as a phone looks at it. */
interface ListedKey extends PublicJwk { kid: string; use: string; until: number | null }

/** The server's statement and rating keys, believed only under the root that was pinned at enrolment. */
export class KeyList {
  private readonly statementKeys: Map<string, ListedKey>;
  private readonly imported = new Map<string, Promise<CryptoKey>>();
  private last: { jws: string; statement: Promise<Statement | null> } | null = null;

  /** `jws` is the list as it was signed: what the store keeps. */
  private constructor(
    private readonly subtle: SubtleCrypto, readonly jws: string, private readonly keys: readonly ListedKey[],
  ) {
    const statementKeys = keys.filter((key) => key.use === "statement");
    this.statementKeys = new Map(statementKeys.map((key) => [header("lamplighter-statement", key.kid), key]));
  }

  /** The key list, or null when the pinned `root` did not sign it. */
  static async verify(subtle: SubtleCrypto, jws: string, root: PublicJwk): Promise<KeyList | null> {
    const [expected, key] = [header("lamplighter-keys", await thumbprint(subtle, root)), await importKey(subtle, root)];
    const claims = jws.startsWith(`${expected}.`) ? await verified(subtle, jws, key) : null;
    const keys = claims?.["keys"];
    return Array.isArray(keys) && keys.every(isListedKey) ? new KeyList(subtle, jws, keys) : null;
  }

  /** The server's statement, or null for anything else: then nothing may be deleted. The newest answer is kept. */
  statement(jws: string): Promise<Statement | null> {
    if (this.last?.jws !== jws) this.last = { jws, statement: this.verifyStatement(jws) };
    return this.last.statement;
  }

  /** The key in charge of sealing ratings, newest last in the list; null when there is none. */
  get ratingKey(): { kid: string; jwk: PublicJwk } | null {
    const key = this.keys.findLast((one) => one.use === "rating" && one.until === null);
    return key ? { kid: key.kid, jwk: { kty: key.kty, crv: key.crv, x: key.x, y: key.y } } : null;
  }

  private async verifyStatement(jws: string): Promise<Statement | null> {
    const key = jws.length <= STATEMENT_CHARACTERS_MAX ? this.statementKeys.get(jws.split(".", 1)[0] ?? "") : undefined;
    if (!key) return null;
    const claims = await verified(this.subtle, jws, await this.importOnce(key));
    return claims && isStatement(claims) ? claims : null;
  }

  /** Importing costs as much as verifying, so it is done once for each key. */
  private importOnce(key: ListedKey): Promise<CryptoKey> {
    const known = this.imported.get(key.kid) ?? importKey(this.subtle, key);
    this.imported.set(key.kid, known);
    return known;
  }
}

/** One device's key with the server keys it trusts: what a replica signs and verifies with. */
export class Signer {
  constructor(private readonly subtle: SubtleCrypto, private readonly key: DeviceKey, private trusted: KeyList) {}

  /** The device's word that its journal up to line `n` has this head: what authorises a push. */
  checkpoint(journal: string, n: number, head: string): Promise<string> {
    return this.sign("lamplighter-checkpoint", { journal, n, head });
  }

  /** The server's statement, or null for anything else. */
  statement(jws: string): Promise<Statement | null> {
    return this.trusted.statement(jws);
  }

  /** Proof of the device's key: what a token is given for, and what lets photos travel. `iat` is the best guess of its time. */
  assertion(claims: { device: string; aud: string; iat: number; jti: string }): Promise<string> {
    const { device, aud, iat, jti } = claims;
    return this.sign("lamplighter-assertion", { device, aud, iat, jti });
  }

  get keys(): KeyList {
    return this.trusted;
  }

  /** Believe a newer key list; the caller verified it under the pinned root. */
  trust(keys: KeyList): void {
    this.trusted = keys;
  }

  private async sign(typ: string, claims: Record<string, unknown>): Promise<string> {
    const signed = `${header(typ)}.${toBase64url(utf8(JSON.stringify(claims)))}`;
    const mark = await this.subtle.sign(ES256, this.key.privateKey, utf8(signed));
    return `${signed}.${toBase64url(new Uint8Array(mark))}`;
  }
}

/** The one accepted spelling of a protected header: alg, typ, and kid where a server key signs. */
function header(typ: string, kid?: string): string {
  return toBase64url(utf8(JSON.stringify({ alg: "ES256", typ, ...(kid === undefined ? {} : { kid }) })));
}

/** The claims, if `key` signed them; the caller has compared the header. Never rejects. */
async function verified(subtle: SubtleCrypto, jws: string, key: CryptoKey): Promise<Record<string, unknown> | null> {
  const [head, body, mark, ...rest] = jws.split(".");
  if (!head || !body || mark?.length !== SIGNATURE_CHARACTERS || rest.length) return null;
  try {
    const good = await subtle.verify(ES256, key, fromBase64url(mark), utf8(`${head}.${body}`));
    const claims: unknown = good ? JSON.parse(fromUtf8(fromBase64url(body))) : null;
    return isObject(claims) ? claims : null;
  } catch {
    return null;
  }
}

async function importKey(subtle: SubtleCrypto, jwk: PublicJwk): Promise<CryptoKey> {
  const { x, y } = jwk;
  return subtle.importKey("jwk", { kty: "EC", crv: "P-256", x, y }, CURVE, false, ["verify"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListedKey(value: unknown): value is ListedKey {
  if (!isObject(value) || value["kty"] !== "EC" || value["crv"] !== "P-256") return false;
  const texts = ["kid", "use", "x", "y"].every((name) => typeof value[name] === "string");
  return texts && (value["until"] === null || Number.isSafeInteger(value["until"]));
}

const STATEMENT_TEXTS = ["journal", "head", "incarnation", "root"];
const STATEMENT_NUMBERS = ["n", "time", "radius", "durable", "ledger"];

function isStatement(claims: Record<string, unknown>): claims is Record<string, unknown> & Statement {
  return STATEMENT_TEXTS.every((name) => typeof claims[name] === "string")
    && STATEMENT_NUMBERS.every((name) => Number.isSafeInteger(claims[name]) && Number(claims[name]) >= 0);
}
