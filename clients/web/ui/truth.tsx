// The drawing of the five words of truth. Which word is true is counted from the journal, and the word itself is given:
// this only makes sure that each has its own shape as well as its own colour.

import needs from "lucide-static/icons/triangle-alert.svg?raw";
import saved from "lucide-static/icons/smartphone.svg?raw";
import sending from "lucide-static/icons/cloud-upload.svg?raw";
import stated from "lucide-static/icons/check-check.svg?raw";
import waiting from "lucide-static/icons/clock.svg?raw";
import type { Truth } from "../core/types";
import { Icon } from "./icon";

export const TRUTH_DRAWING: Record<Truth, string> = { saved, waiting, sending, hq_has_it: stated, needs_you: needs };

/** `fact` is the id of the fact the word is about, for whoever checks the claim. */
export function TruthMark({ truth, word, fact }: { truth: Truth; word: string; fact?: string | undefined }) {
  return (
    <span class={`truth ${truth}`} data-truth={truth} data-fact={fact}>
      <Icon of={TRUTH_DRAWING[truth]} />
      <span>{word}</span>
    </span>
  );
}
