// Five faces of our own, from glad to cross, told apart by mouth and brows so that no colour is needed.

import type { Level } from "./mode";

const MOUTH: Record<Level, string> = {
  5: "M13 27c2.5 10 19.5 10 22 0z",
  4: "M15 29c4 6 14 6 18 0",
  3: "M15 31h18",
  2: "M15 34c4-6 14-6 18 0",
  1: "M13 37c2.5-10 19.5-10 22 0z",
};
const BROWS: Record<Level, string> = {
  5: "M12 13c2-3 6-3 8 0M28 13c2-3 6-3 8 0",
  4: "M13 13h6M29 13h6",
  3: "",
  2: "M12 14l7-2M36 14l-7-2",
  1: "M11 11l9 5M37 11l-9 5",
};

export function Face({ level }: { level: Level }) {
  return (
    <svg class={`face level-${level}`} viewBox="0 0 48 48" aria-hidden="true" focusable="false">
      <circle cx="24" cy="24" r="21" />
      <path d={BROWS[level]} />
      <path class="eyes" d="M16.5 20v.1M31.5 20v.1" />
      <path class={level === 5 || level === 1 ? "mouth full" : "mouth"} d={MOUTH[level]} />
    </svg>
  );
}
