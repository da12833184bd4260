// The phone in the customer's hands: the machine of mode.ts on the screen. No navigation, no pill, no way out but the lock.
// The answer is written before the screen changes, and then nothing of it is left here.

import check from "lucide-static/icons/circle-check.svg?raw";
import ended from "lucide-static/icons/clock.svg?raw";
import lock from "lucide-static/icons/lock.svg?raw";
import type { ComponentChildren } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { type Phone, PhoneFault } from "../../core/types";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { Screen } from "../../ui/screen";
import { Sheet } from "../../ui/sheet";
import { LanguageSwitch } from "../page";
import { go, to } from "../router";
import { attempt, report, saved, useLive, usePhone } from "../session";
import { setLanguage, t } from "../words";
import { Asking } from "./Asking";
import { type Held, release } from "./held";
import { answerOf, type Close, type Draft, type Event, type Mode, next, RESET_AFTER_MS, resumed } from "./mode";
import { PinChoice, PinLock } from "./PinPad";
import { Unsaved } from "./Unsaved";
import { WhyNot } from "./WhyNot";

/** A clock that nobody can set back; where it stops in sleep it only asks later. */
const clock = (): number => performance.now();

export function CustomerMode({ held }: { held: Held }) {
  const written = useLive((phone) => resultOf(phone, held), [held.opened.fact]);
  return written === undefined ? <Frame title={t("loading")}>{null}</Frame> : <Running held={held} start={written} />;
}

/** Whether this rating has its end in the journal: then a kill between writing and showing changes nothing. */
async function resultOf(phone: Phone, { ticket, opened }: Held): Promise<"answered" | "other" | null> {
  const visit = (await phone.ticket(ticket))?.visits?.[opened.visit ?? ""];
  if (visit?.rating?.["opened"] !== opened.fact) return null;
  return visit.rating["result"] === "answered" ? "answered" : "other";
}

const step = (before: Mode, event: Event): Mode => next(before, event, clock());

function Running({ held, start }: { held: Held; start: "answered" | "other" | null }) {
  const phone = usePhone();
  const [mode, tell] = useReducer(step, start, (written) => resumed(written, clock()));
  useTicks(tell);
  const writing = useRef(false);
  useEffect(() => {
    document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    if (mode.at === "saving" && !writing.current) {
      writing.current = true;
      void write(phone, held, mode)
        .then(tell)
        .finally(() => (writing.current = false));
    }
    if (mode.at === "left") void leave(held);
  }, [mode.at]);
  return <Shown mode={mode} held={held} tell={tell} />;
}

async function write(phone: Phone, held: Held, { draft, close }: { draft: Draft; close: Close }): Promise<Event> {
  const { result, reason } = close;
  const answer = result === "answered" ? answerOf(draft) : null;
  try {
    await phone.closeRating(held.opened, answer, { result, ...(reason ? { reason } : {}) });
    return { type: "written" };
  } catch (error) {
    if (!(error instanceof PhoneFault)) console.error(error);
    return { type: "failed", slug: error instanceof PhoneFault ? error.slug : "unexpected" };
  }
}

async function leave(held: Held): Promise<void> {
  saved.value = null;
  await setLanguage(held.lang).catch(report);
  if (document.fullscreenElement) await document.exitFullscreen().catch(() => undefined);
  go(to("ticket", held.ticket, "done"), { replace: true });
  await attempt(release);
}

function useTicks(tell: (event: Event) => void): void {
  useEffect(() => {
    const tick = () => tell({ type: "ticked" });
    // The question "still there?" goes by its own button: gone at the finger's rise, it would let the tap through.
    const touch = ({ target }: { target: EventTarget | null }) => {
      if (!(target instanceof Element && target.closest("dialog"))) tell({ type: "touched" });
    };
    const timer = setInterval(tick, 1000);
    document.addEventListener("visibilitychange", tick);
    document.addEventListener("pointerdown", touch);
    document.addEventListener("keydown", touch);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
      document.removeEventListener("pointerdown", touch);
      document.removeEventListener("keydown", touch);
    };
  }, [tell]);
}

interface ShownProps {
  mode: Mode;
  held: Held;
  tell: (event: Event) => void;
}

function Shown({ mode, held, tell }: ShownProps) {
  switch (mode.at) {
    case "asking":
      return (
        <>
          <Asking mode={mode} held={held} tell={tell} />
          {mode.warned && <StillThere tell={tell} />}
        </>
      );
    case "saving":
      return (
        <Frame title={t("rating-saving")}>
          <p role="status">{t("rating-saving-wait")}</p>
        </Frame>
      );
    case "unsaved":
      return <Unsaved mode={mode} held={held} tell={tell} />;
    case "thanks":
      return <Over icon={check} title={t("rating-thanks")} word={t("rating-thanks-word")} tell={tell} />;
    case "closed":
      return <Over icon={ended} title={t("rating-closed")} word={t("rating-closed-word")} tell={tell} />;
    case "lock":
      return <Locked openedAt={mode.openedAt} held={held} tell={tell} />;
    case "taking_back":
      return <TakingBack tell={tell} />;
    case "left":
      return <Frame title={t("loading")}>{null}</Frame>;
  }
}

interface FrameProps {
  title: string;
  children: ComponentChildren;
  primary?: ComponentChildren;
}

/** The customer's frame: the language, and nothing of the crew's. */
export function Frame({ title, children, primary }: FrameProps) {
  const large = <span class="customer-title">{title}</span>;
  return (
    <Screen name="customer" title={large} tools={<LanguageSwitch />} primary={primary}>
      {children}
    </Screen>
  );
}

/** The small way to the lock, below everything that is the customer's. */
export function LockButton({ tell }: { tell: (event: Event) => void }) {
  return (
    <button type="button" class="header-button to-lock" onClick={() => tell({ type: "lock" })} data-testid="lock">
      <Icon of={lock} />
      <span>{t("lock-crew")}</span>
    </button>
  );
}

/** The end, the same for every answer. */
function Over({ icon, title, word, tell }: { icon: string; title: string; word: string; tell: (event: Event) => void }) {
  const lock = () => tell({ type: "lock" });
  const back = (
    <Button look="primary" onPress={lock} testid="hand-back">
      {t("rating-hand-back")}
    </Button>
  );
  return (
    <Frame title={title} primary={back}>
      <div class="over" role="status" data-testid="over">
        <Icon of={icon} />
        <p>{word}</p>
      </div>
    </Frame>
  );
}

function StillThere({ tell }: { tell: (event: Event) => void }) {
  return (
    <Sheet title={t("rating-still-there")} onClose={() => tell({ type: "touched" })} testid="still-there">
      <p>{t("rating-still-there-word")}</p>
      <Button look="primary" onPress={() => tell({ type: "touched" })} testid="still-here">
        {t("rating-go-on")}
      </Button>
    </Sheet>
  );
}

function Locked({ openedAt, held, tell }: { openedAt: number; held: Held; tell: (event: Event) => void }) {
  const [forgot, setForgot] = useState<"waiting" | "choosing" | null>(null);
  const reset = async () => {
    const noted = await attempt((phone) => phone.note(held.ticket, t("lock-reset-note")));
    if (noted) setForgot("choosing");
  };
  const unlock = () => tell({ type: "unlocked" });
  if (forgot === "choosing")
    return (
      <Frame title={t("lock-new")}>
        <PinChoice onChosen={unlock} />
      </Frame>
    );
  return (
    <Frame title={t("lock-title")}>
      <PinLock onRight={unlock} />
      <Button wide onPress={() => tell({ type: "back" })} testid="lock-back">
        {t("lock-back")}
      </Button>
      {forgot === null && (
        <Button look="plain" onPress={() => setForgot("waiting")} testid="forgot">
          {t("lock-forgot")}
        </Button>
      )}
      {forgot === "waiting" && <Reset openedAt={openedAt} onReset={reset} />}
    </Frame>
  );
}

/** Five minutes on this screen, and a word on the ticket: a forgotten PIN is neither a dead end nor a secret way out. */
function Reset({ openedAt, onReset }: { openedAt: number; onReset: () => Promise<void> }) {
  const [left, setLeft] = useState(() => RESET_AFTER_MS - (clock() - openedAt));
  useEffect(() => {
    const timer = setInterval(() => setLeft(RESET_AFTER_MS - (clock() - openedAt)), 1000);
    return () => clearInterval(timer);
  }, [openedAt]);
  if (left <= 0)
    return (
      <>
        <p>{t("lock-reset-ready")}</p>
        <Button onPress={onReset} testid="reset">
          {t("lock-reset")}
        </Button>
      </>
    );
  const seconds = String(Math.floor(left / 1000) % 60).padStart(2, "0");
  return <p data-testid="reset-wait">{t("lock-reset-wait", { minutes: Math.floor(left / 60_000), seconds })}</p>;
}

/** The crew has the phone, and there is no answer. */
function TakingBack({ tell }: { tell: (event: Event) => void }) {
  return (
    <Frame title={t("taking-back-title")}>
      <p>{t("taking-back-word")}</p>
      <Button wide onPress={() => tell({ type: "back" })} testid="taking-back-on">
        {t("taking-back-on")}
      </Button>
      <WhyNot onSave={(result, reason) => tell({ type: "end", result, reason })} />
    </Frame>
  );
}
