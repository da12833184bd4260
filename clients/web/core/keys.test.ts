import { describe, expect, test } from "vitest";
import { fromBase64url, fromUtf8, toBase64url, utf8 } from "./bytes";
import { createDeviceKey, KeyList, type PublicJwk, publicJwk, Signer, thumbprint } from "./keys";

const { subtle } = crypto;
const ES256 = { name: "ECDSA", hash: "SHA-256" } as const;
const STATEMENT = {
  journal: "j-1", n: 3, head: "h".repeat(43), time: 1_795_312_867_123, radius: 500, incarnation: "k7", durable: 0, ledger: 9,
  root: "r".repeat(43),
};

/** The server's side: signs whatever a test wants to see refused. */
class Office {
  private constructor(private readonly key: CryptoKeyPair, readonly jwk: PublicJwk, readonly kid: string) {}

  static async open(): Promise<Office> {
    const key = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const jwk = await publicJwk(subtle, key);
    return new Office(key, jwk, await thumbprint(subtle, jwk));
  }

  async sign(header: unknown, claims: unknown): Promise<string> {
    const signed = [header, claims].map((part) => toBase64url(utf8(JSON.stringify(part)))).join(".");
    return `${signed}.${toBase64url(new Uint8Array(await subtle.sign(ES256, this.key.privateKey, utf8(signed))))}`;
  }

  statement(claims: unknown = STATEMENT, header: object = {}): Promise<string> {
    return this.sign({ alg: "ES256", typ: "lamplighter-statement", kid: this.kid, ...header }, claims);
  }

  listed(use: string, until: number | null = null): object {
    return { kid: this.kid, use, alg: "ES256", ...this.jwk, from: 0, until };
  }

  list(keys: object[]): Promise<string> {
    return this.sign({ alg: "ES256", typ: "lamplighter-keys", kid: this.kid }, { keys });
  }
}

async function scene(): Promise<{ root: Office; office: Office; keys: KeyList }> {
  const [root, office] = [await Office.open(), await Office.open()];
  const keys = await KeyList.verify(subtle, await root.list([office.listed("statement")]), root.jwk);
  return { root, office, keys: keys! };
}

describe("the device's own key", () => {
  test("signs, cannot leave, and can be kept by cloning", async () => {
    const key = structuredClone(await createDeviceKey(subtle));
    await expect(subtle.exportKey("pkcs8", key.privateKey)).rejects.toThrow();
    const { keys } = await scene();
    const jws = await new Signer(subtle, key, keys).checkpoint("j-1", 7, "h".repeat(43));
    const [header, body, mark] = jws.split(".");
    expect(fromUtf8(fromBase64url(header!))).toBe('{"alg":"ES256","typ":"lamplighter-checkpoint"}');
    expect(JSON.parse(fromUtf8(fromBase64url(body!)))).toEqual({ journal: "j-1", n: 7, head: "h".repeat(43) });
    expect(await subtle.verify(ES256, key.publicKey, fromBase64url(mark!), utf8(`${header}.${body}`))).toBe(true);
  });

  test("says only what a public key says", async () => {
    expect(Object.keys(await publicJwk(subtle, await createDeviceKey(subtle))).sort()).toEqual(["crv", "kty", "x", "y"]);
  });
});

test("a thumbprint is the one of RFC 7638", async () => {
  // Made by server/keys.py for the public key of RFC 7515, appendix A.3.
  const [x, y] = ["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"] as const;
  expect(await thumbprint(subtle, { kty: "EC", crv: "P-256", x, y })).toBe("oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
});

describe("a key list", () => {
  test("is believed under the pinned root alone", async () => {
    const [root, other] = [await Office.open(), await Office.open()];
    expect(await KeyList.verify(subtle, await root.list([]), root.jwk)).not.toBeNull();
    expect(await KeyList.verify(subtle, await other.list([]), root.jwk)).toBeNull();
    const wrongTyp = await root.sign({ alg: "ES256", typ: "lamplighter-statement", kid: root.kid }, { keys: [] });
    expect(await KeyList.verify(subtle, wrongTyp, root.jwk)).toBeNull();
    expect(await KeyList.verify(subtle, await root.list([{ kid: "k", use: "statement" }]), root.jwk)).toBeNull();
    expect(await KeyList.verify(subtle, "", root.jwk)).toBeNull();
  });

  test("names the rating key in charge", async () => {
    const [root, old, current] = [await Office.open(), await Office.open(), await Office.open()];
    const jws = await root.list([old.listed("rating", 5), current.listed("rating"), current.listed("statement")]);
    const keys = await KeyList.verify(subtle, jws, root.jwk);
    expect(keys?.ratingKey).toEqual({ kid: current.kid, jwk: current.jwk });
    expect((await scene()).keys.ratingKey).toBeNull();
  });
});

describe("a statement", () => {
  test("of a listed key is believed, again and again", async () => {
    const { office, keys } = await scene();
    const jws = await office.statement();
    expect(await keys.statement(jws)).toEqual(STATEMENT);
    expect(await keys.statement(jws)).toEqual(STATEMENT);
    expect(await keys.statement(await office.statement({ ...STATEMENT, n: 4 }))).toEqual({ ...STATEMENT, n: 4 });
  });

  test("that is anything else is nothing", async () => {
    const { root, office, keys } = await scene();
    const stranger = await Office.open();
    const good = await office.statement();
    const [header, body, mark] = good.split(".");
    const broken = [
      "", "a.b.c", `${header}.${body}`, `${good}.`, `${good}=`, `${good}${"x".repeat(3000)}`,
      `${header}.${body}.${mark!.slice(1)}A`, good.replace(body!, `${body}AA`),
      await root.statement(STATEMENT), await stranger.statement(), await stranger.statement(STATEMENT, { kid: office.kid }),
      await office.statement(STATEMENT, { typ: "lamplighter-checkpoint" }), await office.statement(STATEMENT, { alg: "none" }),
      await office.statement(STATEMENT, { crit: ["x"] }), await office.statement([]), await office.statement("x"),
    ];
    for (const jws of broken) expect(await keys.statement(jws)).toBeNull();
  });

  test("must say everything, and in its own type", async () => {
    const { office, keys } = await scene();
    for (const name of Object.keys(STATEMENT)) {
      const { [name as keyof typeof STATEMENT]: _, ...less } = STATEMENT;
      expect(await keys.statement(await office.statement(less))).toBeNull();
      expect(await keys.statement(await office.statement({ ...STATEMENT, [name]: null }))).toBeNull();
    }
    expect(await keys.statement(await office.statement({ ...STATEMENT, n: "3" }))).toBeNull();
    expect(await keys.statement(await office.statement({ ...STATEMENT, n: 3.5 }))).toBeNull();
    expect(await keys.statement(await office.statement({ ...STATEMENT, n: -1 }))).toBeNull();
    expect(await keys.statement(await office.statement({ ...STATEMENT, head: 3 }))).toBeNull();
  });

  test("is still believed when its key is retired", async () => {
    const [root, office] = [await Office.open(), await Office.open()];
    const keys = await KeyList.verify(subtle, await root.list([office.listed("statement", 5)]), root.jwk);
    expect(await keys?.statement(await office.statement())).toEqual(STATEMENT);
  });
});
