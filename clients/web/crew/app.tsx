// Which screen stands now: before there is a phone, enrolment or the word on a wiped store; then the screen of the address.
// Today, Ticket and Arrive come with the first bytes; every other screen is fetched (from the phone itself) when first wanted.

import { signal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Opened, Phone } from "../core/types";
import { Banner } from "../ui/banner";
import { Button } from "../ui/button";
import { held, watchHeld } from "./customer/held";
import { Page } from "./page";
import { watchPermission } from "./position";
import { followAddress, go, place, to, type Place } from "./router";
import Arrive from "./screens/arrive";
import Ticket from "./screens/ticket";
import Today from "./screens/today";
import { adopt, fault, phone, report } from "./session";
import { t, unpackAll, word } from "./words";

/** What every screen is given. A screen of a ticket may rely on `ticket`. */
export type ScreenProps = Place;
type ScreenModule = { default: FunctionComponent<ScreenProps> };

const AT_HAND: Record<string, FunctionComponent<ScreenProps>> = { today: Today, ticket: Ticket, arrive: Arrive };
const LATER: Record<string, () => Promise<ScreenModule>> = {
  amend: () => import("./screens/amend"),
  camera: () => import("./screens/camera"),
  changed: () => import("./screens/changed"),
  customer: () => import("./screens/customer"),
  done: () => import("./screens/done"),
  enrol: () => import("./screens/enrol"),
  guide: () => import("./screens/guide"),
  learn: () => import("./screens/learn"),
  material: () => import("./screens/material"),
  note: () => import("./screens/note"),
  "own-phone": () => import("./screens/own-phone"),
  queue: () => import("./screens/queue"),
  raise: () => import("./screens/raise"),
  return: () => import("./screens/return"),
  scan: () => import("./screens/scan"),
  score: () => import("./screens/score"),
  settings: () => import("./screens/settings"),
  signature: () => import("./screens/signature"),
  start: () => import("./screens/start"),
  suspend: () => import("./screens/suspend"),
};

/** What opening the store found; null while it opens. */
export const opened = signal<Opened | null>(null);

/** Go on with this phone: on the screen the address names, else where it was when the app died, else on `first`. */
export async function begin(ready: Phone, first = "today"): Promise<void> {
  adopt(ready);
  void watchPermission(); // so that an arrival knows at once why it has no position
  await watchHeld(ready);
  if (!location.hash.startsWith("#/")) go((await ready.recall<string>("where")) ?? to(first), { replace: true });
  followAddress((address) => {
    fault.value = null;
    void ready.remember("where", address).catch(report);
  });
  opened.value = { state: "ready", phone: ready };
}

export function App() {
  const found = opened.value;
  if (!found) return fault.value ? <Unopened slug={fault.value.slug} /> : <Waiting />;
  // A phone in a customer's hands shows nothing else, whatever the address says.
  if (found.state === "ready")
    return <Shown {...(held.value ? { screen: "customer", ticket: held.value.ticket } : place.value)} />;
  return <Fetched screen="enrol" />;
}

/** The screen of the address; its heading gets the focus, so that who listens hears where they are. */
function Shown(where: Place) {
  useEffect(() => {
    document.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [where.screen, where.ticket]);
  const Known = AT_HAND[where.screen];
  const key = `${where.screen} ${where.ticket ?? ""}`;
  return Known ? <Known key={key} {...where} /> : <Fetched key={key} {...where} />;
}

function Fetched(where: Place) {
  const [failed, setFailed] = useState(false);
  const [Ready, setReady] = useState<FunctionComponent<ScreenProps> | null>(null);
  const load = async () => {
    setFailed(false);
    try {
      const [{ default: found }] = await Promise.all([LATER[where.screen]!(), unpackAll()]);
      AT_HAND[where.screen] = found;
      setReady(() => found);
    } catch (error) {
      console.error(error);
      setFailed(true);
    }
  };
  useEffect(() => void load(), []);
  if (Ready) return <Ready {...where} />;
  return failed ? <Unreachable again={load} /> : <Waiting />;
}

/** The store could not be opened: nothing is lost by that, and nothing can be recorded either. */
function Unopened({ slug }: { slug: string }) {
  const known = word("fault", slug);
  return (
    <Page
      name="unopened"
      title={t("app-name")}
      quiet
      primary={
        <Button look="primary" onPress={() => location.reload()}>
          {t("try-again")}
        </Button>
      }
    >
      <Banner tone="look" live="now" code={slug} testid="unopened">
        {known === slug ? t("fault-unexpected") : known}
      </Banner>
    </Page>
  );
}

/** A part of the app that is not on the phone yet and cannot be fetched now. */
function Unreachable({ again }: { again: () => Promise<void> }) {
  return (
    <Page name="part-missing" title={t("app-name")} {...(phone.value ? { back: to("today") } : {})}>
      <Banner tone="offline" live="soon" action={<Button onPress={again}>{t("try-again")}</Button>}>
        {t("part-missing")}
      </Banner>
    </Page>
  );
}

function Waiting() {
  return (
    <Page name="loading" title={t("app-name")}>
      <p role="status">{t("loading")}</p>
    </Page>
  );
}
