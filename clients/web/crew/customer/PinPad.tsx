// Entering a PIN and choosing a new one, on our own keys. What is pressed is shown as dots and kept nowhere.

import alert from "lucide-static/icons/octagon-alert.svg?raw";
import { useEffect, useState } from "preact/hooks";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { Keypad } from "../guide/Keypad";
import { type Key, pressed } from "../guide/keypad";
import { attempt, now, usePhone } from "../session";
import { t } from "../words";
import {
  afterWrong, hashed, isPin, matches, NO_TRIES, PIN, PIN_MAX, PIN_MIN, PIN_TRIES, type PinHash, type Tries, waitMs,
} from "./pin";

/** Asks for the PIN until it is right. Wrong tries cost growing time, also over a reload. */
export function PinLock({ onRight }: { onRight: () => void }) {
  const phone = usePhone();
  const [text, setText] = useState("");
  const [known, setKnown] = useState<PinHash | null>(null);
  const [tries, setTries] = useState<Tries>(NO_TRIES);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    void phone.recall<PinHash>(PIN).then((found) => setKnown(found ?? null));
    void phone.recall<Tries>(PIN_TRIES).then((found) => setTries(found ?? NO_TRIES));
  }, [phone]);
  const wait = Math.ceil(waitMs(tries, now.value) / 1000);
  const count = async (next: Tries) => {
    await phone.remember(PIN_TRIES, next);
    setTries(next);
  };
  const check = async (pin: string, hash: PinHash) => {
    setBusy(true);
    const right = await matches(pin, hash);
    await count(right ? NO_TRIES : afterWrong(tries, Date.now()));
    setBusy(false);
    setText("");
    if (right) onRight();
  };
  const type = (key: Key) => {
    if (busy || wait > 0 || !known) return;
    const next = typed(text, key);
    setText(next);
    if (next.length === known.digits) void check(next, known);
  };
  return (
    <div class="stack pin" data-testid="pin-lock">
      <Dots count={text.length} of={known?.digits ?? PIN_MIN} />
      <p class="pin-word" role="alert" data-testid="pin-word">
        {wait > 0 ? t("lock-wait", { seconds: wait }) : tries.wrong > 0 && !text && <><Icon of={alert} /> {t("lock-wrong")}</>}
      </p>
      <Keypad onKey={type} />
    </div>
  );
}

/** Chooses a PIN by pressing it twice, and remembers its hash. */
export function PinChoice({ onChosen }: { onChosen: () => unknown }) {
  const [text, setText] = useState("");
  const [first, setFirst] = useState<string | null>(null);
  const [differs, setDiffers] = useState(false);
  const go = async () => {
    if (!isPin(text)) return;
    if (first === null) {
      setFirst(text);
      return setText("");
    }
    if (first !== text) {
      setFirst(null);
      setDiffers(true);
      return setText("");
    }
    const kept = await attempt(async (phone) => {
      await phone.remember(PIN, await hashed(text));
      await phone.remember(PIN_TRIES, NO_TRIES);
      return true;
    });
    if (kept) await onChosen();
  };
  const word = differs && first === null ? "pin-differs" : first === null ? "pin-choose" : "pin-again";
  return (
    <div class="stack pin" data-testid="pin-choice">
      <p role="status">{t(word, { min: PIN_MIN, max: PIN_MAX })}</p>
      <Dots count={text.length} of={Math.max(PIN_MIN, text.length)} />
      <Keypad onKey={(key) => setText((before) => typed(before, key))} onEnter={() => void go()} />
      <Button look="primary" onPress={go} testid="pin-go">{t(isPin(text) ? "continue" : "pin-short", { min: PIN_MIN })}</Button>
    </div>
  );
}

function typed(text: string, key: Key): string {
  if (key === "back") return pressed(text, key);
  return /\d/.test(key) && text.length < PIN_MAX ? text + key : text;
}

function Dots({ count, of: whole }: { count: number; of: number }) {
  return (
    <p class="dots" role="img" aria-label={t("pin-dots", { count })}>
      {Array.from({ length: whole }, (_, at) => <span key={at} class={at < count ? "dot full" : "dot"} />)}
    </p>
  );
}
