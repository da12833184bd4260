// Done 完成: what of this job is on the phone and what HQ has, counted from the journal, and the road to the next job.

import next from "lucide-static/icons/arrow-right.svg?raw";
import send from "lucide-static/icons/cloud-upload.svg?raw";
import smile from "lucide-static/icons/smile.svg?raw";
import type { Phone, TicketView, Truth, Visit } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button, LinkButton } from "../../ui/button";
import { Thumbs } from "../camera/Thumb";
import { seconds } from "../format";
import { jobsOf } from "../jobs";
import { ordered } from "../next";
import { Page } from "../page";
import { ticketName, TruthWord } from "../parts";
import { type Place, to } from "../router";
import { attempt, useLive } from "../session";
import { t } from "../words";
import { NotHere } from "./guide";
import "../job.css";

const ORDER: readonly Truth[] = ["needs_you", "saved", "waiting", "sending", "hq_has_it"];

/** `photos` are the bytes still here, by hash; `onward` is the job to do next. */
interface Found {
  view: TicketView; visit: Visit | null; truths: Map<string, Truth>; photos: Map<string, { truth: Truth; percent: number }>;
  onward: TicketView | null;
}

export default function DoneScreen({ ticket = "" }: Place) {
  const found = useLive((phone) => read(phone, ticket), [ticket]);
  return found ? <Done {...found} /> : <NotHere ticket={ticket} found={found} />;
}

async function read(phone: Phone, ticket: string): Promise<Found | null> {
  const view = await phone.ticket(ticket);
  if (!view) return null;
  const [truths, queue, jobs] = await Promise.all([phone.truths(ticket), phone.queue(), jobsOf(phone)]);
  const photos = queue.filter((item) => item.ticket === ticket && item.sha256 && item.kind === "photo_bytes");
  return {
    view, visit: phone.visit(view)?.visit ?? null, truths,
    photos: new Map(photos.map((item) => [item.sha256!, { truth: item.truth, percent: item.percent ?? 0 }])),
    onward: ordered(jobs).open.find((job) => job.view.id !== ticket)?.view ?? null,
  };
}

function Done({ view, visit, truths, photos, onward }: Found) {
  const facts = [...truths.values()];
  const bytes = [...photos.values()].map((photo) => photo.truth);
  const whole = [...facts, ...bytes].every((truth) => truth === "hq_has_it");
  const words = onward ? t("done-next", { place: onward.address ?? ticketName(onward) }) : t("done-today");
  const toNext = <LinkButton look="primary" icon={next} href={to("today")} testid="next-job">{words}</LinkButton>;
  const sendNow = () => attempt((phone) => phone.sync("done"));
  return (
    <Page name="done" title={ticketName(view)} back={to("ticket", view.id)} primary={toNext}>
      <Banner tone={whole ? "ok" : "offline"} live="soon" testid="done-word">
        <h2>{t(whole ? "done-whole" : "done-safe")}</h2>
        {!whole && <p>{t("done-safe-word")}</p>}
      </Banner>
      <Counts facts={facts} photos={bytes} />
      {!whole && <Button wide icon={send} onPress={sendNow} testid="send-now">{t("done-send")}</Button>}
      {visit?.finished && !visit.rating && (
        <LinkButton wide icon={smile} href={to("ticket", view.id, "rate")} testid="still-rate">{t("done-rate")}</LinkButton>
      )}
      <Milestones visit={visit} truths={truths} />
      <Pictures visit={visit} truths={truths} photos={photos} />
    </Page>
  );
}

/** How many facts and photos stand under each word of truth. */
function Counts({ facts, photos }: { facts: Truth[]; photos: Truth[] }) {
  const all = ORDER.map((truth) => ({ truth, facts: count(facts, truth), photos: count(photos, truth) }));
  const rows = all.filter((row) => row.facts + row.photos > 0);
  if (!rows.length) return null;
  return (
    <table class="counts" data-testid="counts">
      <caption class="unseen">{t("done-counts")}</caption>
      <thead><tr>{["done-where", "done-facts", "done-photos"].map((id) => <th key={id} scope="col">{t(id)}</th>)}</tr></thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.truth} data-truth-row={row.truth}>
            <th scope="row"><TruthWord truth={row.truth} /></th>
            <td>{row.facts || "–"}</td>
            <td>{row.photos || "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function count(truths: Truth[], truth: Truth): number {
  return truths.filter((one) => one === truth).length;
}

const MILESTONES = ["accepted", "departed", "arrived", "started", "finished"] as const;

function Milestones({ visit, truths }: { visit: Visit | null; truths: Map<string, Truth> }) {
  const rows = MILESTONES.flatMap((name) => (visit?.[name] ? [{ name, moment: visit[name] }] : []));
  return (
    <dl class="facts" data-testid="milestones">
      {rows.map(({ name, moment }) => (
        <div class="fact-row" key={name}>
          <dt>{t(`done-${name}`)}</dt>
          <dd>{seconds(moment.at)} <TruthWord truth={truths.get(moment.fact) ?? "hq_has_it"} fact={moment.fact} /></dd>
        </div>
      ))}
    </dl>
  );
}

/** Each photo with where its bytes are, which may be later than the fact that names it. */
function Pictures({ visit, photos }: Pick<Found, "visit" | "photos" | "truths">) {
  const shown = visit?.photos ?? [];
  const bytes = new Map(shown.map((photo) => [photo.fact, photos.get(String(photo["sha256"]))?.truth ?? "hq_has_it"]));
  const percents = new Map([...photos].map(([sha256, { percent }]) => [sha256, percent]));
  if (!shown.length) return null;
  return (
    <section class="stack">
      <h2>{t("done-photos")}</h2>
      <Thumbs photos={shown} truths={bytes} percents={percents} />
    </section>
  );
}
