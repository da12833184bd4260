// Queue 队列: everything this phone wrote that may still matter, by ticket, each with its word of truth and why; sending now, and
// the file that carries it all when the network does not. "Send now" is always there: when it cannot help, it says why.

import changed from "lucide-static/icons/git-compare-arrows.svg?raw";
import download from "lucide-static/icons/download.svg?raw";
import send from "lucide-static/icons/cloud-upload.svg?raw";
import type { QueueItem, Status, TicketView } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button, LinkButton } from "../../ui/button";
import { bytes, clock, moment, seconds } from "../format";
import { Page } from "../page";
import { factName, ticketName, TruthWord } from "../parts";
import { Rescue } from "../rescue";
import { to } from "../router";
import { now, status, useLive, usePhone } from "../session";
import { t, word } from "../words";

const SHOWN = 40;

interface Group {
  key: string;
  view: TicketView | null;
  items: QueueItem[];
}

export default function Queue() {
  const phone = usePhone();
  const groups = useLive(async (opened) => grouped(await opened.queue(), await opened.tickets()));
  return (
    <Page
      name="queue"
      title={t("queue-title")}
      primary={
        <Button look="primary" icon={send} onPress={() => phone.sync("send-now")} testid="send-now">
          {t("send-now")}
        </Button>
      }
    >
      {status.value && <Standing found={status.value} />}
      {groups?.map((group) => (
        <Ticket key={group.key} group={group} />
      ))}
      <LinkButton href={to("changed")} icon={changed} wide testid="open-changed">
        {t("changes-open")}
      </LinkButton>
      <section class="stack">
        <h2>{t("rescue-title")}</h2>
        <Rescue icon={download} />
      </section>
    </Page>
  );
}

/** What the syncer is doing and what keeps it from doing more. */
function Standing({ found }: { found: Status }) {
  const waiting = found.waiting + found.photosWaiting;
  const open = waiting + found.needsYou > 0;
  return (
    <Banner
      tone={found.trouble ? "offline" : open ? "plain" : "ok"}
      live="soon"
      testid="standing"
      code={found.trouble ?? undefined}
    >
      <p>
        <strong>
          {open
            ? t("queue-totals", { facts: found.waiting, photos: found.photosWaiting, needs: found.needsYou })
            : t("queue-empty")}
        </strong>
      </p>
      {waiting > 0 && <p>{activity(found)}</p>}
      {found.trouble && <p>{troubleSentence(found.trouble)}</p>}
      {(waiting > 0 || found.trouble) && found.nextAt !== null && found.nextAt > now.value && (
        <p>{t("next-try", { at: seconds(found.nextAt) })}</p>
      )}
      <p class="quiet">{found.heardAt === null ? t("heard-never") : t("heard-at", { at: moment(found.heardAt, now.value) })}</p>
    </Banner>
  );
}

function activity(found: Status): string {
  if (found.syncing === "talking") return t("sync-talking");
  if (found.syncing === "uploading")
    return found.percent === null ? t("sync-uploading") : t("sync-uploading-percent", { percent: Math.floor(found.percent) });
  return t("sync-waiting");
}

function troubleSentence(slug: string): string {
  const known = word("trouble", slug);
  return known === slug ? t("trouble-other") : known;
}

function Ticket({ group }: { group: Group }) {
  const shown = group.items.slice(0, SHOWN);
  return (
    <section class="stack">
      <h2>{group.view ? ticketName(group.view) : group.key ? t("ticket-unnamed") : t("queue-phone")}</h2>
      {group.view?.address && <p class="quiet">{group.view.address}</p>}
      <ul class="rows">
        {shown.map((item) => (
          <Row key={`${item.journal}:${item.n}:${item.sha256 ?? ""}`} item={item} />
        ))}
      </ul>
      {group.items.length > SHOWN && <p class="quiet">{t("queue-more", { count: group.items.length - SHOWN })}</p>}
    </section>
  );
}

function Row({ item }: { item: QueueItem }) {
  return (
    <li class="queue-row" data-fact={item.fact} data-truth={item.truth} data-kind={item.kind}>
      <span class="grow">
        {factName(item.kind)}
        <span class="quiet">
          {" "}
          {[item.wall ? clock(item.wall) : "", item.size_bytes ? bytes(item.size_bytes) : ""].filter(Boolean).join(" · ")}
        </span>
      </span>
      <TruthWord truth={item.truth} percent={item.percent} />
      {item.why && (
        <span class="why quiet">
          {word("why", item.why) === item.why ? t("why-unknown") : word("why", item.why)} <span class="code">{item.why}</span>
        </span>
      )}
    </li>
  );
}

/** What needs a person first, then what waits, then what HQ has; tickets in the order of their newest item. */
function grouped(items: QueueItem[], views: TicketView[]): Group[] {
  const byId = new Map(views.map((view) => [view.id, view]));
  const groups = new Map<string, Group>();
  for (const item of [...items].reverse()) {
    const key = item.ticket ?? "";
    const group = groups.get(key) ?? { key, view: byId.get(key) ?? null, items: [] };
    group.items.push(item);
    groups.set(key, group);
  }
  return [...groups.values()]
    .map((group) => ({ ...group, items: group.items.sort((one, two) => RANK[one.truth] - RANK[two.truth]) }))
    .sort((one, two) => RANK[one.items[0]!.truth] - RANK[two.items[0]!.truth]);
}

const RANK = { needs_you: 0, sending: 1, saved: 2, waiting: 2, hq_has_it: 3 } as const;
