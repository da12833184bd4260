import { expect, test } from "vitest";
import { concat, toHex, utf8 } from "./bytes";
import { unzip, zip } from "./zip";

const ENTRIES = [
  { name: "bundle-1.ndjson", bytes: utf8('{"v":1}\n到场\n') },
  { name: "photos/é.bin", bytes: crypto.getRandomValues(new Uint8Array(5000)) },
  { name: "empty", bytes: new Uint8Array(0) },
];

test("what was put in comes out, by name", () => {
  expect(unzip(concat(...zip(ENTRIES)))).toEqual(ENTRIES);
  expect(unzip(concat(...zip([])))).toEqual([]);
});

test("the file is what every unpacker expects", () => {
  const file = toHex(concat(...zip([{ name: "a", bytes: utf8("123456789") }])));
  expect(file).toMatch(/^504b0304/);
  expect(file).toContain("2639f4cb"); // the published CRC-32 of "123456789", the lowest byte first
});

test("anything else, cut or damaged, is not taken", () => {
  const whole = concat(...zip(ENTRIES));
  expect(unzip(utf8('{"v":1}\n'))).toBeNull();
  expect(unzip(new Uint8Array(0))).toBeNull();
  expect(unzip(whole.slice(0, -1))).toBeNull();
  expect(unzip(whole.slice(100))).toBeNull();
  const damaged = whole.slice();
  damaged[50]! ^= 1;
  expect(unzip(damaged)).toBeNull();
});
