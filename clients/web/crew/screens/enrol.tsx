// Enrol 登记终端: a code, a name, a PIN, and what this app keeps of a person. Where an earlier store was wiped it first says
// plainly what that means; on an iPhone it asks to install first, because there the shortcut has a storage of its own.

import { useEffect, useState } from "preact/hooks";
import { enrolPhone } from "../../core/phone";
import type { Opened } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { Tick } from "../../ui/choice";
import { Field } from "../../ui/field";
import { begin, opened } from "../app";
import { CODE_LENGTH, codeIn, codeOf, inGroups } from "../code";
import { hashed, isPin, PIN, PIN_MAX } from "../customer/pin";
import { Page } from "../page";
import { report } from "../session";
import { askToInstall, installed } from "../update";
import { t } from "../words";
import { browserWorld, isApple, protectStorage } from "../world";

export default function Enrol() {
  const found = opened.value;
  const [goOn, setGoOn] = useState(false);
  if (found?.state === "wiped" && !goOn) return <Wiped found={found} onGoOn={() => setGoOn(true)} />;
  if (isApple() && !installed.value && !goOn) return <InstallFirst onGoOn={() => setGoOn(true)} />;
  return <Form />;
}

/** Nothing was lost if HQ had every fact; else this is one of the few red words of the app. */
function Wiped({ found, onGoOn }: { found: Opened & { state: "wiped" }; onGoOn: () => void }) {
  const lost = found.n - found.stated;
  return (
    <Page
      name="wiped"
      title={t("wiped-title")}
      primary={
        <Button look={lost > 0 ? undefined : "primary"} wide onPress={onGoOn} testid="wiped-go-on">
          {t("wiped-go-on")}
        </Button>
      }
    >
      <Banner tone={lost > 0 ? "danger" : "ok"} live="now" testid="wiped" code={found.device}>
        <p>
          <strong>{t(lost > 0 ? "wiped-lost" : "wiped-safe", { lost, stated: found.stated, n: found.n })}</strong>
        </p>
        <p>{t(lost > 0 ? "wiped-lost-do" : "wiped-safe-do")}</p>
      </Banner>
      <p>{t("wiped-why")}</p>
    </Page>
  );
}

function InstallFirst({ onGoOn }: { onGoOn: () => void }) {
  return (
    <Page
      name="install-first"
      title={t("install-title")}
      primary={
        <Button onPress={onGoOn} wide testid="install-later">
          {t("install-go-on")}
        </Button>
      }
    >
      <Banner tone="look">{t("install-apple-why")}</Banner>
      <ol class="lesson">
        {[1, 2, 3].map((at) => (
          <li key={at}>{t(`install-apple-${at}`)}</li>
        ))}
      </ol>
    </Page>
  );
}

const EMPTY = { code: "", name: "", pin: "", again: "", read: false };
type Entry = typeof EMPTY;
type Fault = "code" | "pin" | "again" | "notice";

/** The first thing that is not right yet. */
function faultOf({ code, pin, again, read }: Entry): Fault | null {
  if (codeOf(code).length !== CODE_LENGTH) return "code";
  if (!isPin(pin)) return "pin";
  if (pin !== again) return "again";
  return read ? null : "notice";
}

function Form() {
  const [entry, setEntry] = useState<Entry>({ ...EMPTY, code: inGroups(codeIn(location.hash)), name: t("enrol-name-default") });
  const [fault, setFault] = useState<Fault | null>(null);
  const set = (change: Partial<Entry>) => setEntry((before) => ({ ...before, ...change }));
  useScanned((code) => set({ code }));
  const enrol = async () => {
    const wrong = faultOf(entry);
    setFault(wrong);
    if (!wrong) await enrolled(entry).catch(report);
  };
  const primary = <Button look="primary" onPress={enrol} testid="enrol">{t("enrol-do")}</Button>;
  return (
    <Page name="enrol" title={t("enrol-title")} primary={primary}>
      <p>{t("enrol-intro")}</p>
      <Fields entry={entry} set={set} fault={fault} />
      <Notice />
      <Tick label={t("notice-read")} value={entry.read} onChange={(read) => set({ read })} testid="enrol-notice" />
      {fault === "notice" && <Banner tone="look" live="now">{t("notice-please")}</Banner>}
      <Install />
    </Page>
  );
}

/** A code scanned while the form stands: the address changes and nothing is loaded anew. */
function useScanned(take: (code: string) => void): void {
  useEffect(() => {
    const scanned = () => codeIn(location.hash) && take(inGroups(codeIn(location.hash)));
    addEventListener("hashchange", scanned);
    return () => removeEventListener("hashchange", scanned);
  }, []);
}

function Fields({ entry, set, fault }: { entry: Entry; set: (change: Partial<Entry>) => void; fault: Fault | null }) {
  const told = (name: Fault, words: string) => (fault === name ? t(words) : undefined);
  return (
    <>
      <Field
        label={t("enrol-code")} hint={t("enrol-code-hint")} fault={told("code", "enrol-code-wrong")} kind="code" maxLength={40}
        value={entry.code} onInput={(code) => set({ code })} testid="enrol-code"
      />
      <Field
        label={t("enrol-name")} hint={t("enrol-name-hint")} maxLength={80}
        value={entry.name} onInput={(name) => set({ name })} testid="enrol-name"
      />
      <Field
        label={t("enrol-pin")} hint={t("enrol-pin-hint")} fault={told("pin", "enrol-pin-wrong")} kind="pin" maxLength={PIN_MAX}
        value={entry.pin} onInput={(pin) => set({ pin })} testid="enrol-pin"
      />
      <Field
        label={t("enrol-pin-again")} fault={told("again", "enrol-pin-differs")} kind="pin" maxLength={PIN_MAX}
        value={entry.again} onInput={(again) => set({ again })} testid="enrol-pin-again"
      />
    </>
  );
}

/** What is kept of a person, why, where and how long, in plain words (PIPL). */
function Notice() {
  return (
    <section class="card" data-testid="notice">
      <h2>{t("notice-title")}</h2>
      <ul class="bullets">
        {["what", "where", "position", "rating", "who", "rights"].map((part) => (
          <li key={part}>{t(`notice-${part}`)}</li>
        ))}
      </ul>
    </section>
  );
}

/** Installed apps keep their storage; in a tab it may be cleared. */
function Install() {
  if (installed.value) return null;
  const ask = askToInstall.value;
  return (
    <Banner tone="look" testid="install" action={ask ? <Button onPress={ask}>{t("install-do")}</Button> : undefined}>
      {t(ask ? "install-why" : "install-why-menu")}
    </Banner>
  );
}

/** The code and the key go to the server; the PIN stays here, as a salted hash. */
async function enrolled({ code, name, pin }: Entry): Promise<void> {
  const phone = await enrolPhone(browserWorld(), { address: location.origin, code: codeOf(code), name: name.trim() });
  await phone.remember(PIN, await hashed(pin));
  await protectStorage();
  history.replaceState(null, "", location.pathname);
  await begin(phone, "start");
}
