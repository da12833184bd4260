// Light and dark: `auto` follows the phone, `sun` is white paper for daylight, `night` deep navy. Kept outside the store, so
// that the first picture already has the right colours.

import { signal } from "@preact/signals";

export type Theme = "auto" | "sun" | "night";

const KEPT = "lamplighter.theme";

export const theme = signal<Theme>(kept());

export function setTheme(next: Theme): void {
  theme.value = next;
  document.documentElement.dataset.theme = next;
  for (const bar of document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]'))
    bar.content = barOf(next, bar.media);
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // Shown all the same.
  }
}

/** The colour of the phone's own bar above the app. */
function barOf(chosen: Theme, media: string): string {
  const dark = chosen === "auto" ? media.includes("dark") : chosen === "night";
  return dark ? "#0b1520" : "#ffffff";
}

function kept(): Theme {
  try {
    const found = localStorage.getItem(KEPT);
    return found === "sun" || found === "night" ? found : "auto";
  } catch {
    return "auto";
  }
}
