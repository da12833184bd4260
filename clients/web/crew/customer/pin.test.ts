import { expect, test } from "vitest";
import { NO_TRIES, afterWrong, hashed, isPin, matches, waitMs, type Tries } from "./pin";

test("the right PIN opens, another does not, and two phones with one PIN remember different things", async () => {
  const known = await hashed("4821");
  expect(await matches("4821", known)).toBe(true);
  expect(await matches("4812", known)).toBe(false);
  expect((await hashed("4821")).hash).not.toBe(known.hash);
  expect(JSON.stringify(known)).not.toContain("4821");
});

test("four to six digits are a PIN", () => {
  expect(["4821", "000000"].every(isPin)).toBe(true);
  expect(["482", "1234567", "48a1", ""].some(isPin)).toBe(false);
});

test("two slips cost nothing, then every wrong try costs more, up to five minutes", () => {
  let tries: Tries = NO_TRIES;
  const waits = Array.from({ length: 10 }, () => waitMs((tries = afterWrong(tries, 1000)), 1000) / 1000);
  expect(waits).toEqual([0, 0, 5, 15, 30, 60, 120, 300, 300, 300]);
});

test("waiting helps, and a clock set back a year does not lock the crew out for a year", () => {
  const tries: Tries = { wrong: 3, until: 105_000 };
  expect(waitMs(tries, 103_000)).toBe(2000);
  expect(waitMs(tries, 200_000)).toBe(0);
  expect(waitMs(tries, -1e12)).toBe(5000);
  expect(waitMs(NO_TRIES, 0)).toBe(0);
});
