// A number pad of our own, so that the system's keyboard never covers the question. A real keyboard works too.

import erase from "lucide-static/icons/delete.svg?raw";
import { useLayoutEffect } from "preact/hooks";
import { Icon } from "../../ui/icon";
import { t } from "../words";
import { type Key, keyOf } from "./keypad";

const DIGITS: Key[] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

interface KeypadProps {
  onKey: (key: Key) => void;
  onEnter?: (() => void) | undefined;
  /** The point has no place in a whole number or a PIN. */
  point?: boolean | undefined;
}

export function Keypad({ onKey, onEnter, point = false }: KeypadProps) {
  useKeyboard(onKey, onEnter);
  const keys: (Key | null)[] = [...DIGITS, point ? "." : null, "0", "back"];
  return (
    <div class="keypad" role="group" aria-label={t("keypad")}>
      {keys.map((key) => (key === null ? <span key="none" /> : <KeyButton key={key} of={key} onKey={onKey} />))}
    </div>
  );
}

function KeyButton({ of: key, onKey }: { of: Key; onKey: (key: Key) => void }) {
  const label = key === "back" ? t("keypad-back") : key === "." ? t("keypad-point") : undefined;
  return (
    <button type="button" class="key" data-key={key} aria-label={label} onClick={() => onKey(key)}>
      {key === "back" ? <Icon of={erase} /> : key}
    </button>
  );
}

function useKeyboard(onKey: (key: Key) => void, onEnter: (() => void) | undefined): void {
  // Before the next key can come, so that a fast typist never saves the number of one key ago.
  useLayoutEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement | null;
      if (event.ctrlKey || event.metaKey || event.altKey || target?.closest("input, textarea, dialog")) return;
      const key = keyOf(event);
      if (key) onKey(key);
      else if (event.key === "Enter" && !target?.closest("button, a")) onEnter?.();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  });
}
