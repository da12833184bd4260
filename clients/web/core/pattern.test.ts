import { describe, expect, test } from "vitest";
import { matchesWhole } from "./pattern";

const SAMPLES = [
  "", "a", "b", "ab", "ba", "aab", "abc", "aaaa", "12", "123", "1234", "20431111", "WO-20431", "13900000000", "柳巷18号", "a-b_c",
  "A1", "😀", "a\nb", "x.y", "[]", "^$", "foo bar", "foobar", "ffff",
];
const PATTERNS = [
  "", "a", "a*", "a+b?", "(a|b)*", "(a|ab)(c|bc)?", "[a-z]+", "[^a-z]+", "\\d{8}", "\\d{2,4}", "\\d{3,}", "WO-\\d+",
  "1[3-9]\\d{9}", "[\\u4e00-\\u9fff]+\\d+号", "\\p{Script=Han}+.*", ".", ".*", "\\w+(-\\w+)*", "^a$", "a$|^b", "(?:ab)+",
  "(?<word>foo) ?bar", "[\\[\\]]+",
  "\\^\\$", "f{2}f{2}", "(a?){4}", "[A-Z]\\d", "(|a)b", "a{0}b", "(a*)*", "(a+)+", "\\S+", "a.b", "x\\.y", "[a\\-_b-c]+",
];

describe("a pattern matches exactly what the browser's own engine matches", () => {
  for (const pattern of PATTERNS) {
    test(pattern || "nothing", () => {
      const own = new RegExp(`^(?:${pattern})$`, "u");
      const found = (matches: (sample: string) => unknown): unknown[] => SAMPLES.map((sample) => [sample, matches(sample)]);
      expect(found((sample) => matchesWhole(sample, pattern))).toEqual(found((sample) => own.test(sample)));
    });
  }
});

test("patterns that make a backtracking engine hang are answered", () => {
  const text = `${"a".repeat(1000)}!`;
  for (const pattern of ["(a+)+", "(a|a)*", "(a*)*b", "(a|aa)+", "(.*a){20}", "(a?){50}a{50}", "([a-zA-Z]+)*"]) {
    expect(matchesWhole(text, pattern)).toBe(false);
  }
});

test("what cannot be told says so", () => {
  const deep = `${"(".repeat(60)}a${")".repeat(60)}`;
  for (const pattern of ["(?=a)a", "(?<!a)b", "(a)\\1", "(", "a{2,1}", "[z-a]", "a{9999}", "x".repeat(501), deep]) {
    expect(matchesWhole("a", pattern)).toBeNull();
  }
  expect(matchesWhole("a".repeat(2001), "a*")).toBeNull();
});
