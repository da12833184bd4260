// The words: both languages have the same messages, every message the code names exists, and none is there for nobody.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { FluentBundle, FluentResource } from "@fluent/bundle";
import { describe, expect, it } from "vitest";
import { setLanguage, t, unpackAll } from "./words";

await unpackAll();

const HERE = import.meta.dirname;
const FILES = readdirSync(join(HERE, "words/zh")).sort();

function messages(lang: string, file: string): string[] {
  const text = readFileSync(join(HERE, "words", lang, file), "utf8");
  return [...text.matchAll(/^([a-z][a-z0-9-]*) =/gm)].map((match) => match[1]!);
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => /\.tsx?$/.test(entry.name) && !entry.name.includes(".test."))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
}

const code = sources(HERE).join("\n");
const ids = new Set(FILES.flatMap((file) => messages("zh", file)));
/** Ids the code spells out, and the beginnings of those it puts together: t(`do-${next}`), word("state", …), chipsOf(…). */
const spelt = new Set([...code.matchAll(/["`]([a-z][a-z0-9]*(?:-[a-z0-9]+)*)["`]/g)].map((match) => match[1]!));
const begun = [
  ...[...code.matchAll(/`([a-z][a-z0-9-]*-)\$\{/g)].map((match) => match[1]!),
  ...[...code.matchAll(/\b(?:word|chipsOf)\("([a-z-]+)"/g)].map((match) => `${match[1]!}-`),
];

describe("the words", () => {
  it("come in two languages with the same files", () => {
    expect(readdirSync(join(HERE, "words/en")).sort()).toEqual(FILES);
  });

  it("are all unpacked", () => {
    for (const lang of ["zh", "en"]) {
      const named = [...readFileSync(join(HERE, `words/${lang}.ts`), "utf8").matchAll(/\/(\w+\.ftl)\?raw/g)].map(
        (match) => match[1],
      );
      expect(named.sort()).toEqual(FILES);
    }
  });

  it.each(FILES)("of %s are the same messages in both languages, each once", (file) => {
    expect([...messages("en", file)].sort()).toEqual([...messages("zh", file)].sort());
    expect(new Set(messages("zh", file)).size).toBe(messages("zh", file).length);
  });

  it("are each in one file only", () => {
    expect(FILES.flatMap((file) => messages("zh", file)).length).toBe(ids.size);
  });

  it.each(["zh", "en"])("are readable Fluent in %s", (lang) => {
    for (const file of FILES) {
      const text = readFileSync(join(HERE, "words", lang, file), "utf8");
      const bundle = new FluentBundle(lang);
      bundle.addResource(new FluentResource(text));
      expect(messages(lang, file).filter((id) => !bundle.hasMessage(id))).toEqual([]);
    }
  });

  it("are there for every id that the code spells out", () => {
    const asked = [...code.matchAll(/\b(?:t|say)\((?:lang, |"zh", |"en", |other, )?"([a-z0-9-]+)"/g)].map((match) => match[1]!);
    expect([...new Set(asked)].filter((id) => !ids.has(id))).toEqual([]);
  });

  it("are all used", () => {
    const unused = [...ids].filter((id) => !spelt.has(id) && !begun.some((beginning) => id.startsWith(beginning)));
    expect(unused).toEqual([]);
  });

  it("are never silently missing", () => {
    expect(() => t("no-such-words")).toThrow("no words for");
  });
});

it("the five words of truth are these and no others", async () => {
  const words = async (lang: "zh" | "en") => {
    await setLanguage(lang);
    return ["saved", "waiting", "sending", "hq-has-it", "needs-you"].map((truth) => t(`truth-${truth}`));
  };
  expect(await words("zh")).toEqual(["已存本机", "排队", "上传中", "总部已收", "需处理"]);
  expect(await words("en")).toEqual(["Saved on phone", "Waiting", "Sending", "HQ has it", "Needs you"]);
});
