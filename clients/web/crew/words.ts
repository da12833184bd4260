// Everything the crew app says, in Chinese and English, from the Fluent files in words/. Both languages are always on the
// phone; the one that is read is unpacked first. Refuses to know when to say what, and never shows the other language for a
// missing word: a missing id throws in development and in tests, and shows itself in brackets elsewhere.

import { FluentBundle, FluentResource, type FluentVariable } from "@fluent/bundle";
import { signal } from "@preact/signals";
import type { Label, Lang } from "../core/types";

const FILES: Record<Lang, () => Promise<{ default: string[] }>> = {
  zh: () => import("./words/zh"),
  en: () => import("./words/en"),
};
const LOCALE: Record<Lang, string> = { zh: "zh-CN", en: "en" };
const KEPT = "lamplighter.language";
const bundles: Record<Lang, FluentBundle> = {
  zh: new FluentBundle(LOCALE.zh, { useIsolating: false }),
  en: new FluentBundle(LOCALE.en, { useIsolating: false }),
};
const unpacked: Partial<Record<Lang, Promise<void>>> = {};

/** The language of every screen; one tap changes it. */
export const language = signal<Lang>(preferred());

/** The words of a message in the language of the moment. */
export function t(id: string, values?: Record<string, FluentVariable>): string {
  return say(language.value, id, values);
}

/** The words of a message in one named language, for where both stand side by side. */
export function say(lang: Lang, id: string, values?: Record<string, FluentVariable>): string {
  const message = bundles[lang].getMessage(id);
  if (!message?.value) return missing(`${lang}:${id}`);
  const errors: Error[] = [];
  const text = bundles[lang].formatPattern(message.value, values, errors);
  return errors.length ? missing(`${lang}:${id} ${errors.join(" ")}`) : text;
}

/** A word of a list that the server may lengthen: unknown ones are shown as they came. */
export function word(list: string, value: string | null | undefined): string {
  if (!value) return "–";
  const id = `${list}-${value.replaceAll("_", "-")}`;
  return bundles[language.value].hasMessage(id) ? t(id) : value;
}

/** A text that carries both languages itself. */
export function both(label: Label | undefined): string {
  return label ? label[language.value] || label.zh || label.en : "";
}

/** Whole sentences one after another: Chinese has no space between them. */
export function sentences(...said: string[]): string {
  return said.join(language.value === "zh" ? "" : " ");
}

/** `zh-CN` or `en`, as `lang` attributes and Intl want it. */
export function locale(): string {
  return LOCALE[language.value];
}

/** Unpack a language; nothing can be said in it before. */
export function unpack(lang: Lang): Promise<void> {
  return (unpacked[lang] ??= FILES[lang]().then(
    ({ default: files }) => {
      for (const text of files) bundles[lang].addResource(new FluentResource(text));
    },
    (error: unknown) => {
      delete unpacked[lang]; // not on the phone yet; asked again next time
      throw error;
    },
  ));
}

/** Every language, for screens that speak two at once. */
export async function unpackAll(): Promise<void> {
  await Promise.all([unpack("zh"), unpack("en")]);
}

/** Speak this language from now on, and next time too. */
export async function setLanguage(lang: Lang): Promise<void> {
  await unpack(lang);
  language.value = lang;
  if (typeof document === "undefined") return;
  document.documentElement.lang = LOCALE[lang];
  document.title = t("app-name");
  try {
    localStorage.setItem(KEPT, lang);
  } catch {
    // A browser that keeps nothing still switches.
  }
}

function preferred(): Lang {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === "zh" || kept === "en") return kept;
  } catch {
    // Asked below instead.
  }
  return typeof navigator === "undefined" || navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function missing(what: string): string {
  if (import.meta.env.DEV) throw new Error(`no words for ${what}`);
  console.error(`no words for ${what}`);
  return `[${what}]`;
}
