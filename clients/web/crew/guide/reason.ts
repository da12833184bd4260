// A reason is a chip, some words, or both. It is written as words a person at HQ reads, in the language of whoever gave it.

import { t } from "../words";

/** Kinds of facts take 300 characters for a reason; chip and words share them. */
export const REASON_WORDS_MAX = 240;

/** What `Choice` offers: the words of a list by their names. */
export function chipsOf(list: string, names: readonly string[]): { value: string; label: string }[] {
  return names.map((value) => ({ value, label: t(`${list}-${value.replaceAll("_", "-")}`) }));
}

/** The chip's words and what was typed, or "" for neither. */
export function reasonOf(list: string, chip: string | null, words: string): string {
  return [chip && t(`${list}-${chip}`), words.trim()].filter(Boolean).join(t("list-comma"));
}
