// The golden vectors of tests/vectors, which Python writes and both languages obey.

import { readFileSync } from "node:fs";

export function vectors<Case>(name: string): Case[] {
  const file = new URL(`../../../../tests/vectors/${name}.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] }).cases;
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "base64"));
}
