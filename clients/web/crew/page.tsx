// A screen of the crew app: the frame with the road back, the pill that says what is where, the language, the tabs, the last
// word on what was saved, and the fault that needs a person. Every screen is one of these.

import chevron from "lucide-static/icons/chevron-left.svg?raw";
import learn from "lucide-static/icons/book-open.svg?raw";
import queue from "lucide-static/icons/list-checks.svg?raw";
import score from "lucide-static/icons/star.svg?raw";
import today from "lucide-static/icons/clipboard-list.svg?raw";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Lang, Status, Truth } from "../core/types";
import { Banner } from "../ui/banner";
import { Button } from "../ui/button";
import { Icon } from "../ui/icon";
import { Screen } from "../ui/screen";
import { TRUTH_DRAWING } from "../ui/truth";
import { clock, seconds } from "./format";
import { factName, TruthWord } from "./parts";
import { to, TABS } from "./router";
import { fault, phone, report, saved, status, useLive } from "./session";
import { language, setLanguage, t, word } from "./words";

interface PageProps {
  name: string;
  title: ComponentChildren;
  /** Address of the screen this one belongs to; without it the tabs are shown. */
  back?: string;
  primary?: ComponentChildren;
  /** This screen tells faults itself. */
  quiet?: boolean;
  children: ComponentChildren;
}

export function Page({ name, title, back, primary, quiet, children }: PageProps) {
  const open = phone.value !== null;
  const dock =
    open && saved.value ? (
      <>
        <SavedLine />
        {primary}
      </>
    ) : (
      primary
    );
  return (
    <Screen
      name={name}
      title={title}
      primary={dock}
      {...(back ? { back: <Back to={back} /> } : {})}
      tools={
        <>
          {open && <Pill short={back !== undefined} />}
          <LanguageSwitch />
        </>
      }
      {...(open && !back ? { tabs: <Tabs now={name} /> } : {})}
    >
      {!quiet && <Fault />}
      {children}
    </Screen>
  );
}

function Back({ to: address }: { to: string }) {
  return (
    <a class="header-button" href={address} aria-label={t("back")} data-testid="back">
      <Icon of={chevron} />
    </a>
  );
}

const SWITCH: Record<Lang, string> = { zh: "切换到中文", en: "Switch to English" };

/** 中/EN: one tap to the other language, named in that language's own words for who listens. */
export function LanguageSwitch() {
  const other = language.value === "zh" ? "en" : "zh";
  return (
    <button
      type="button"
      class="header-button"
      data-testid="language"
      lang={other === "zh" ? "zh-CN" : "en"}
      aria-label={`中/EN ${SWITCH[other]}`}
      onClick={() => void setLanguage(other).catch(report)}
    >
      中/EN
    </button>
  );
}

/** `3 waiting · HQ 09:12`: the road to the queue. Where the title needs the room, only its number or time is seen. */
function Pill({ short }: { short: boolean }) {
  const found = status.value;
  if (!found) return null;
  const [truth, text] = pillOf(found);
  return (
    <a class={`pill ${truth}`} href={to("queue")} data-testid="pill" data-truth={truth}>
      <Icon of={TRUTH_DRAWING[truth]} />
      {short && <span aria-hidden="true">{shortOf(found)}</span>}
      <span class={short ? "unseen" : ""} aria-live="polite">
        {text}
      </span>
    </a>
  );
}

function shortOf(found: Status): string {
  const count = found.needsYou || found.waiting + found.photosWaiting;
  return count ? String(count) : found.heardAt === null ? "" : clock(found.heardAt);
}

function pillOf(found: Status): [Truth, string] {
  const hq = found.heardAt === null ? t("pill-never") : clock(found.heardAt);
  const waiting = found.waiting + found.photosWaiting;
  if (found.needsYou) return ["needs_you", t("pill-needs", { count: found.needsYou, hq })];
  if (waiting === 0) return [found.heardAt === null ? "saved" : "hq_has_it", t("pill-all", { hq })];
  if (found.syncing === "talking" || found.syncing === "uploading") return ["sending", t("pill-sending", { waiting, hq })];
  return ["waiting", t("pill-waiting", { waiting, hq })];
}

const TAB_ICON: Record<(typeof TABS)[number], string> = { today, queue, score, learn };

function Tabs({ now }: { now: string }) {
  const waiting = status.value ? status.value.waiting + status.value.photosWaiting : 0;
  return (
    <nav class="tabs" aria-label={t("tabs")}>
      <ul>
        {TABS.map((tab) => (
          <li key={tab}>
            <a href={to(tab)} aria-current={tab === now ? "page" : undefined} data-testid={`tab-${tab}`}>
              <Icon of={TAB_ICON[tab]} />
              <span>
                {t(`tab-${tab}`)}
                {tab === "queue" && waiting > 0 && ` ${waiting}`}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** What was saved last; when more than that is true, the word of truth beside it changes under the eyes of the reader. */
function SavedLine() {
  const last = saved.value;
  const truths = useLive(async (opened) => (last ? opened.truths(last.ticket) : new Map<string, Truth>()), [last?.fact]);
  if (!last) return null;
  const truth = truths?.get(last.fact);
  return (
    <p class="spread" role="status" data-testid="saved" data-fact={last.fact}>
      <span>{t("saved-line", { fact: factName(last.kind), at: seconds(last.wall) })}</span>
      {truth && truth !== "saved" && <TruthWord truth={truth} fact={last.fact} />}
    </p>
  );
}

/** What could not be done: one sentence, one button. */
function Fault() {
  const found = fault.value;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), [found]);
  if (!found) return null;
  const lost = found.slug === "not-saved" || found.slug === "storage-full";
  return (
    <div ref={place}>
      <Banner
        tone={lost ? "danger" : "look"}
        live="now"
        code={found.slug === "unexpected" ? String(found.detail["what"]).slice(0, 120) : found.slug}
        testid="fault"
        action={<Button onPress={() => (fault.value = null)}>{t("understood")}</Button>}
      >
        {word("fault", found.slug) === found.slug ? t("fault-unexpected") : word("fault", found.slug)}
      </Banner>
    </div>
  );
}
