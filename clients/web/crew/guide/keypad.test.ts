import { expect, test } from "vitest";
import { isNormal, keyOf, numberOf, pressed, suggestions, type Key } from "./keypad";

/** What stands there after these keys; `<` deletes. */
function typed(keys: string, integer = false): string {
  return [...keys].reduce((text, key) => pressed(text, (key === "<" ? "back" : key) as Key, integer), "");
}

test("digits make a number as they are pressed", () => {
  expect(typed("2204")).toBe("2204");
  expect(typed("22.04")).toBe("22.04");
  expect(typed("22<<5")).toBe("5");
});

test("keys that make no sense change nothing", () => {
  expect(typed("1.2.3")).toBe("1.23");
  expect(typed("12.5", true)).toBe("125");
  expect(typed("007")).toBe("7");
  expect(typed("0000000000001")).toBe("1");
  expect(typed("1234567890123")).toBe("123456789012");
});

test("a point alone begins with a nought, and the minus turns round", () => {
  expect(typed(".5")).toBe("0.5");
  expect(typed("-.5")).toBe("-0.5");
  expect(typed("12-")).toBe("-12");
  expect(typed("12--")).toBe("12");
});

test("a text that is no number yet is none", () => {
  expect(["", "-"].map(numberOf)).toEqual([null, null]);
  expect(["0", "-0.5", "12.", "230.4"].map(numberOf)).toEqual([0, -0.5, 12, 230.4]);
});

test("a physical keyboard means the same keys", () => {
  expect(["5", ",", "。", "Backspace", "-"].map((key) => keyOf({ key }))).toEqual(["5", ".", ".", "back", "-"]);
  expect(["a", "Enter", "F5", "10"].map((key) => keyOf({ key }))).toEqual([null, null, null, null]);
});

test("the normal range includes its ends, and no range calls nothing unusual", () => {
  expect([197.9, 198, 235.4, 235.5].map((value) => isNormal(value, [198, 235.4]))).toEqual([false, true, true, false]);
  expect(isNormal(-1e9, undefined)).toBe(true);
});

test("one tap offers the last value and the nominal value of a narrow range, and nothing for a reading", () => {
  expect(suggestions({ normal: [198, 235.4] }, null)).toEqual([220]);
  expect(suggestions({ normal: [198, 235.4] }, 231.5)).toEqual([231.5, 220]);
  expect(suggestions({ normal: [198, 235.4] }, 220)).toEqual([220]);
  expect(suggestions({ normal: [198, 235.4] }, 12)).toEqual([220]);
  expect(suggestions({ normal: [0, 999999] }, 40213)).toEqual([]);
  expect(suggestions({}, 3.2)).toEqual([]);
});
