// Ticket 工单: safety first, then where, whom, what and how far it is; one step is next, everything else is a plain list below.

import camera from "lucide-static/icons/camera.svg?raw";
import material from "lucide-static/icons/package.svg?raw";
import note from "lucide-static/icons/message-square.svg?raw";
import pause from "lucide-static/icons/circle-pause.svg?raw";
import pencil from "lucide-static/icons/pencil.svg?raw";
import guide from "lucide-static/icons/list-checks.svg?raw";
import giveBack from "lucide-static/icons/undo-2.svg?raw";
import { Banner } from "../../ui/banner";
import { Button, Door, LinkButton } from "../../ui/button";
import type { ScreenProps } from "../app";
import { toldBy } from "../changes";
import { Told } from "../told";
import { step } from "../job";
import { jobOfId, type GuidedJob } from "../jobs";
import { Page } from "../page";
import { Countdown, KindLine, ticketName } from "../parts";
import { to } from "../router";
import { useLive } from "../session";
import { Details, Place, Safety, Steps } from "../ticket/sections";
import { t, word } from "../words";

export default function Ticket({ ticket = "" }: ScreenProps) {
  const job = useLive((phone) => jobOfId(phone, ticket).then((found) => found ?? "none"), [ticket]);
  if (job === undefined)
    return (
      <Page name="ticket" title={t("ticket")} back={to("today")}>
        <p role="status">{t("loading")}</p>
      </Page>
    );
  if (job === "none") return <Missing />;
  const next =
    job.next === "none" ? undefined : (
      <Button look="primary" onPress={() => step(job.view, job.next)} testid={`do-${job.next}`}>
        {t(`do-${job.next}`)}
      </Button>
    );
  return (
    <Page name="ticket" title={ticketName(job.view)} back={to("today")} primary={next}>
      <Shown job={job} />
    </Page>
  );
}

function Shown({ job }: { job: GuidedJob }) {
  const { view, visit, limit } = job;
  const queue = useLive((phone) => phone.queue()) ?? [];
  return (
    <>
      <Safety job={job} />
      {toldBy(queue, view).map((change) => (
        <Told key={change.what} change={change} />
      ))}
      <section class="stack" aria-label={t("ticket")}>
        <KindLine view={view} />
        <p class="row">
          <strong>{word("state", view.state)}</strong>
        </p>
        <Countdown limit={limit} visit={visit} />
        {view.description && <p>{view.description}</p>}
      </section>
      <Place view={view} />
      <Steps job={job} />
      <Details view={view} />
      <More id={view.id} started={visit !== null} />
    </>
  );
}

/** Everything that is not the next step, one row each. */
function More({ id, started }: { id: string; started: boolean }) {
  const at = (sub: string) => to("ticket", id, sub);
  return (
    <section class="stack">
      <h2>{t("more")}</h2>
      <ul class="doors">
        {started && (
          <li>
            <Door href={at("guide")} icon={guide} testid="open-guide">
              {t("open-guide")}
            </Door>
          </li>
        )}
        {started && (
          <li>
            <Door href={at("camera")} icon={camera} testid="open-camera">
              {t("open-camera")}
            </Door>
          </li>
        )}
        <li>
          <Door href={at("amend")} icon={pencil} testid="open-amend">
            {t("open-amend")}
          </Door>
        </li>
        <li>
          <Door href={at("note")} icon={note} testid="open-note">
            {t("open-note")}
          </Door>
        </li>
        <li>
          <Door href={at("material")} icon={material} testid="open-material">
            {t("open-material")}
          </Door>
        </li>
        {started && (
          <li>
            <Door href={at("suspend")} icon={pause} testid="open-suspend">
              {t("open-suspend")}
            </Door>
          </li>
        )}
        <li>
          <Door href={at("return")} icon={giveBack} testid="open-return">
            {t("open-return")}
          </Door>
        </li>
      </ul>
    </section>
  );
}

function Missing() {
  return (
    <Page
      name="ticket"
      title={t("ticket")}
      back={to("today")}
      primary={
        <LinkButton look="primary" href={to("today")}>
          {t("to-today")}
        </LinkButton>
      }
    >
      <Banner tone="look" testid="no-ticket">
        {t("ticket-not-here")}
      </Banner>
    </Page>
  );
}
