// Arrive 到场: the time is written before this screen shows anything else; the position gets better afterwards; far away asks
// why and never blocks. Early arrival earns nothing, so nothing here counts down.

import check from "lucide-static/icons/circle-check.svg?raw";
import { useEffect, useState } from "preact/hooks";
import type { Fix, Moment, TicketView } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { Field } from "../../ui/field";
import { Icon } from "../../ui/icon";
import { Sheet } from "../../ui/sheet";
import type { ScreenProps } from "../app";
import { distance, seconds } from "../format";
import { bars } from "../geo";
import { away, step } from "../job";
import { jobOfId, type GuidedJob } from "../jobs";
import { Page } from "../page";
import { ticketName, TruthWord } from "../parts";
import { improve, search } from "../position";
import { to } from "../router";
import { record, status, useLive, usePhone } from "../session";
import { t } from "../words";

const HUNT_MS = 120_000;

export default function Arrive({ ticket = "" }: ScreenProps) {
  const job = useLive((phone) => jobOfId(phone, ticket).then((found) => found ?? "none"), [ticket]);
  const back = to("ticket", ticket);
  if (job === undefined)
    return (
      <Page name="arrive" title={t("arrive-title")} back={back}>
        <p role="status">{t("loading")}</p>
      </Page>
    );
  if (job === "none")
    return (
      <Page name="arrive" title={t("arrive-title")} back={to("today")}>
        <Banner tone="look">{t("ticket-not-here")}</Banner>
      </Page>
    );
  const arrived = job.visit?.arrived;
  return (
    <Page name="arrive" title={ticketName(job.view)} back={back} primary={<Onward job={job} />}>
      {arrived ? <Arrived job={job} arrived={arrived} /> : <p>{t("arrive-not-yet")}</p>}
    </Page>
  );
}

function Onward({ job }: { job: GuidedJob }) {
  const next = job.next === "none" ? "work" : job.next;
  const words = next === "start" ? "do-start-safety" : `do-${next}`;
  return (
    <Button look="primary" onPress={() => step(job.view, next)} testid={`do-${next}`}>
      {t(words)}
    </Button>
  );
}

function Arrived({ job, arrived }: { job: GuidedJob; arrived: Moment }) {
  const { view } = job;
  const truths = useLive((phone) => phone.truths(view.id), [view.id]);
  const fix = bestFix(job, arrived);
  useSearch(view.id, arrived, job);
  return (
    <>
      <section class="stack" data-testid="arrived" data-fact={arrived.fact} aria-live="polite">
        <h2 class="titled tone-ok">
          <Icon of={check} />
          {t("arrived-recorded")}
        </h2>
        <p class="hero" data-testid="arrived-at">
          {seconds(arrived.at)}
        </p>
        <p>{truths && <TruthWord truth={truths.get(arrived.fact) ?? "hq_has_it"} fact={arrived.fact} />}</p>
      </section>
      <Position fix={fix} fact={arrived.fact} noFix={arrived["no_fix_reason"] as string | undefined} />
      <Distance view={view} fix={fix} />
      <p data-testid="time-proof">{t(status.value?.heardAt ? "time-proof-good" : "time-proof-none")}</p>
      {view.address && <p class="quiet">{view.address}</p>}
    </>
  );
}

/** The better position recorded for this arrival, else the one it came with. */
function bestFix(job: GuidedJob, arrived: Moment): Fix | undefined {
  const better = (job.visit?.positions ?? []).filter((one) => one["of"] === arrived.fact).at(-1);
  return (better?.["fix"] ?? arrived["fix"]) as Fix | undefined;
}

/** Go on looking for a position after the arrival, also when the app had died in between; once. */
function useSearch(ticket: string, arrived: Moment, job: GuidedJob): void {
  const phone = usePhone();
  const better = (job.visit?.positions ?? []).some((one) => one["of"] === arrived.fact);
  const wanted = !better && Math.abs(Date.now() - arrived.at) < HUNT_MS;
  useEffect(() => {
    if (wanted) improve(phone, ticket, { fact: arrived.fact, fix: arrived["fix"] as Fix | undefined });
  }, [arrived.fact, wanted]);
}

function Position({ fix, fact, noFix }: { fix: Fix | undefined; fact: string; noFix: string | undefined }) {
  const found = search.value?.of === fact ? search.value : null;
  const shown = fix ?? found?.fix;
  const searching = found?.state === "searching";
  if (!shown)
    return (
      <p class="quiet" role="status" data-testid="position">
        {searching ? t("position-searching") : t(`no-fix-${found?.why ?? noFix ?? "timeout"}`)}
      </p>
    );
  const first = found?.firstAccuracy;
  const accuracy = shown.acc_m ?? 0;
  return (
    <p class="row" role="status" data-testid="position" data-state={found?.state ?? "recorded"}>
      <Bars count={bars(shown.acc_m)} />
      <span>
        {first !== undefined && Math.round(first) > Math.round(accuracy)
          ? t("position-better", { first: Math.round(first), now: Math.round(accuracy) })
          : t("position-is", { now: Math.round(accuracy) })}
      </span>
      {searching && <span class="quiet">{t("position-searching")}</span>}
    </p>
  );
}

function Bars({ count }: { count: number }) {
  return (
    <svg class="bars" viewBox="0 0 40 24" aria-hidden="true">
      {[0, 1, 2, 3].map((at) => (
        <rect key={at} x={at * 10 + 1} y={16 - at * 5} width="7" height={8 + at * 5} class={at < count ? "on" : ""} />
      ))}
    </svg>
  );
}

/** How far from the address; far away asks why, and the crew goes on with or without an answer. */
function Distance({ view, fix }: { view: TicketView; fix: Fix | undefined }) {
  const [asking, setAsking] = useState(false);
  const [told, setTold] = useState(false);
  const road = away(view, fix ?? search.value?.fix);
  if (!view.position) return <p class="quiet">{t("no-pin")}</p>;
  return (
    <section class="stack">
      {road && (
        <p data-testid="distance" data-far={road.far ? "" : undefined}>
          {t("distance-from", { distance: distance(road.metres) })}
        </p>
      )}
      {road?.far && !told && (
        <Banner
          tone="look"
          testid="far"
          action={
            <Button onPress={() => setAsking(true)} testid="far-why">
              {t("far-why")}
            </Button>
          }
        >
          {t("far-note")}
        </Banner>
      )}
      {told && <p role="status">{t("far-told")}</p>}
      {asking && (
        <FarSheet id={view.id} road={road?.metres ?? 0} onTold={() => setTold(true)} onClose={() => setAsking(false)} />
      )}
    </section>
  );
}

const FAR_REASONS = ["moved", "pin", "street", "signal", "blocked"] as const;

function FarSheet({ id, road, onTold, onClose }: { id: string; road: number; onTold: () => void; onClose: () => void }) {
  const [reason, setReason] = useState<string | null>(null);
  const [text, setText] = useState("");
  const keep = async () => {
    const said = [reason && t(`far-${reason}`), text.trim()].filter(Boolean).join("；");
    const done = await record((phone) => phone.note(id, t("far-record", { distance: distance(road), reason: said })));
    if (done) onTold();
    onClose();
  };
  return (
    <Sheet title={t("far-why")} onClose={onClose} testid="far-sheet">
      <Choice
        label={t("far-why")}
        hideLabel
        chips
        value={reason}
        onChange={setReason}
        options={FAR_REASONS.map((value) => ({ value, label: t(`far-${value}`) }))}
      />
      <Field label={t("in-own-words")} value={text} onInput={setText} maxLength={200} />
      <Button look="primary" onPress={keep} testid="far-save">
        {t("save")}
      </Button>
      <Button look="plain" onPress={onClose}>
        {t("cancel")}
      </Button>
    </Sheet>
  );
}
