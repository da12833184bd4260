// Today 今日: what is next, on one card with the one button that counts; the others below by deadline; what is done, folded.

import check from "lucide-static/icons/circle-check.svg?raw";
import plus from "lucide-static/icons/plus.svg?raw";
import settings from "lucide-static/icons/settings.svg?raw";
import pin from "lucide-static/icons/map-pin.svg?raw";
import type { Phone } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button, LinkButton } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { unseenOf } from "../changes";
import { clock, distance } from "../format";
import { away, step } from "../job";
import { asks, jobsOf, type GuidedJob } from "../jobs";
import { ordered } from "../next";
import { Page } from "../page";
import { Countdown, KindLine, ticketName } from "../parts";
import { lastFix } from "../position";
import { to } from "../router";
import { status, useLive } from "../session";
import { applyUpdate, updateReady } from "../update";
import { t, word } from "../words";

/** A clock that is off by more is worth a sentence. */
const CLOCK_WRONG_MIN = 2;

export default function Today() {
  const jobs = useLive(jobsOf);
  return (
    <Page name="today" title={t("tab-today")}>
      {jobs ? <Jobs jobs={jobs} /> : <p role="status">{t("loading")}</p>}
    </Page>
  );
}

function Jobs({ jobs }: { jobs: GuidedJob[] }) {
  const { open, done } = ordered(jobs) as { open: GuidedJob[]; done: GuidedJob[] };
  const [next, ...later] = open;
  return (
    <>
      <News />
      <Ready jobs={jobs.filter((job) => !job.view.gone).length} />
      {next ? <NextCard job={next} /> : <Nothing any={done.length > 0} />}
      {later.length > 0 && <Later jobs={later} />}
      <div class="tiles">
        <LinkButton href={to("raise")} icon={plus} testid="raise">
          {t("raise-open")}
        </LinkButton>
        <LinkButton href={to("settings")} icon={settings} testid="settings">
          {t("settings-open")}
        </LinkButton>
      </div>
      {done.length > 0 && <Done jobs={done} />}
    </>
  );
}

/** What changed elsewhere and an update that waits: one line each, only while there is something. */
function News() {
  const changes = useLive(unseenOf);
  const off = Math.round((status.value?.clockOff ?? 0) / 60_000);
  return (
    <>
      {Math.abs(off) >= CLOCK_WRONG_MIN && (
        <Banner tone="look" testid="clock-wrong">
          {t(off > 0 ? "clock-slow" : "clock-fast", { minutes: Math.abs(off) })}
        </Banner>
      )}
      {changes ? (
        <Banner
          tone="look"
          live="soon"
          testid="changes"
          action={<LinkButton href={to("changed")}>{t("changes-see")}</LinkButton>}
        >
          {t("changes-count", { count: changes })}
        </Banner>
      ) : null}
      {updateReady.value && (
        <Banner tone="plain" testid="update" action={<Button onPress={applyUpdate}>{t("update-apply")}</Button>}>
          {t("update-ready")}
        </Banner>
      )}
    </>
  );
}

/** "Phone ready ✔ 12 jobs on phone", or the road to the check that says so. */
function Ready({ jobs }: { jobs: number }) {
  const ready = useLive(checkedToday);
  if (ready === undefined) return null;
  return (
    <a class="ready" href={to("start")} data-testid="ready">
      {ready ? (
        <span class="row tone-ok">
          <Icon of={check} />
          {t("phone-ready")}
        </span>
      ) : (
        <span>{t("start-open")}</span>
      )}
      <span class="quiet">{t("jobs-on-phone", { count: jobs })}</span>
    </a>
  );
}

async function checkedToday(phone: Phone): Promise<boolean> {
  const checked = await phone.recall<{ at: number; good: boolean }>("start");
  return Boolean(checked?.good) && new Date(checked!.at).toDateString() === new Date().toDateString();
}

function NextCard({ job }: { job: GuidedJob }) {
  const { view, next } = job;
  return (
    <section
      class="card next"
      aria-label={t("next-card", { number: ticketName(view) })}
      data-testid="next"
      data-ticket={view.id}
    >
      <Summary job={job} />
      <Button look="primary" onPress={() => step(view, next)} testid={`do-${next}`}>
        {t(`do-${next}`)}
      </Button>
    </section>
  );
}

function Later({ jobs }: { jobs: GuidedJob[] }) {
  return (
    <section class="stack">
      <h2>{t("later")}</h2>
      <ul class="stack">
        {jobs.map((job) => (
          <li class="card" key={job.view.id} data-testid="later" data-ticket={job.view.id}>
            <Summary job={job} />
            {job.next === "accept" && (
              <Button wide onPress={() => step(job.view, "accept")} testid="do-accept">
                {t("do-accept")}
              </Button>
            )}
            {job.next === "rate" && (
              <Button wide onPress={() => step(job.view, "rate")} testid="do-rate">
                {t("do-rate")}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Everything of a card above its button; the whole of it leads to the ticket. */
function Summary({ job }: { job: GuidedJob }) {
  const { view, visit, limit } = job;
  const asked = asks(job);
  const road = away(view, lastFix.value?.fix);
  return (
    <a class="summary" href={to("ticket", view.id)} data-testid="open-ticket">
      <KindLine view={view} />
      <Countdown limit={limit} visit={visit} />
      <span class="place">{view.address ?? t("no-address")}</span>
      <span class="row quiet">
        {road && (
          <span class="row">
            <Icon of={pin} />
            {distance(road.metres)}
          </span>
        )}
        <span>{ticketName(view)}</span>
        <span>{word("state", view.state)}</span>
      </span>
      {asked && <span class="quiet">{t("card-asks", { photos: asked.photos, steps: asked.steps, done: asked.done })}</span>}
    </a>
  );
}

function Nothing({ any }: { any: boolean }) {
  return (
    <Banner tone={any ? "ok" : "plain"} testid="nothing">
      {any ? t("all-done") : t("no-jobs")}
    </Banner>
  );
}

function Done({ jobs }: { jobs: GuidedJob[] }) {
  return (
    <details data-testid="done-list">
      <summary>{t("done-count", { count: jobs.length })}</summary>
      <ul class="doors">
        {jobs.map(({ view, visit }) => (
          <li key={view.id}>
            <a class="door" href={to("ticket", view.id)}>
              <span class="grow">
                {view.address ?? ticketName(view)}
                <br />
                <span class="quiet">
                  {word("kind", view.kind)} · {word("state", view.state)}
                </span>
              </span>
              {visit?.finished && <span class="quiet">{clock(visit.finished.at)}</span>}
            </a>
          </li>
        ))}
      </ul>
    </details>
  );
}
