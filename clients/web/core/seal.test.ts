import { describe, expect, test } from "vitest";
import { type Bytes, fromBase64url, toBase64url, toHex, utf8 } from "./bytes";
import { publicJwk } from "./keys";
import { ANSWER_BYTES, ratingInfo, seal, sealRating } from "./seal";

const { subtle } = crypto;
const CURVE = { name: "ECDH", namedCurve: "P-256" } as const;
const OPENING = { ticket: "t-1", visit: "v-1", opened: "o".repeat(43), kid: "k-1" };

function fromHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** A key pair from its published parts, as no phone ever makes one. */
async function pairOf(secret: string, point: string): Promise<CryptoKeyPair> {
  const [x, y] = [toBase64url(fromHex(point.slice(2, 66))), toBase64url(fromHex(point.slice(66)))];
  const jwk = { kty: "EC", crv: "P-256", x, y };
  return {
    privateKey: await subtle.importKey("jwk", { ...jwk, d: toBase64url(fromHex(secret)) }, CURVE, false, ["deriveBits"]),
    publicKey: await subtle.importKey("jwk", jwk, CURVE, true, []),
  };
}

test("sealing gives the bytes of RFC 9180, appendix A.3.1", async () => {
  const ephemeral = await pairOf(
    "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
    "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
    + "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4",
  );
  const to = fromHex(
    "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a82"
    + "6a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0",
  );
  const plaintext = utf8("Beauty is truth, truth beauty");
  const sealed = await seal(subtle, ephemeral, to, utf8("Ode on a Grecian Urn"), plaintext, utf8("Count-0"));
  expect(toHex(sealed.slice(65))).toBe(
    "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434",
  );
});

describe("a sealed answer", () => {
  const to = async () => publicJwk(subtle, await subtle.generateKey(CURVE, true, ["deriveBits"]));

  test("has one length whatever was answered, and is never the same twice", async () => {
    const key = await to();
    const answers = [{ overall: 1 }, { overall: 5, text: "谢谢，很快就来电了" }, {}, { overall: 5, text: "谢谢，很快就来电了" }];
    const sealed = await Promise.all(answers.map((answer) => sealRating(subtle, answer, key, OPENING)));
    expect(new Set(sealed.map((text) => text.length))).toEqual(new Set([450]));
    expect(new Set(sealed).size).toBe(4);
    expect(fromBase64url(sealed[0]!)).toHaveLength(65 + ANSWER_BYTES + 16);
  });

  test("that is longer than the room is refused, counted in bytes", async () => {
    const key = await to();
    const room = ANSWER_BYTES - '{"text":""}'.length;
    const sealed = (text: string): Promise<string> => sealRating(subtle, { text }, key, OPENING);
    await expect(sealed("x".repeat(room))).resolves.toHaveLength(450);
    for (const long of ["x".repeat(room + 1), "好".repeat(100)]) {
      await expect(sealed(long)).rejects.toMatchObject({ slug: "answer-too-long" });
    }
  });

  test("is bound to its place, whose parts never run together", () => {
    expect(new TextDecoder().decode(ratingInfo(OPENING))).toBe(`lamplighter/rating/1\nt-1\nv-1\n${"o".repeat(43)}\nk-1`);
    expect(() => ratingInfo({ ...OPENING, visit: "v\n1" })).toThrow();
  });
});
