// The sections of the ticket's screen: safety, place, steps, details. Each reads the job it is given and shows it.

import call from "lucide-static/icons/phone.svg?raw";
import check from "lucide-static/icons/circle-check.svg?raw";
import copy from "lucide-static/icons/copy.svg?raw";
import crosshair from "lucide-static/icons/locate.svg?raw";
import navigation from "lucide-static/icons/navigation.svg?raw";
import open from "lucide-static/icons/circle.svg?raw";
import shield from "lucide-static/icons/shield-alert.svg?raw";
import { useState } from "preact/hooks";
import type { TicketView } from "../../core/types";
import { Button, LinkButton } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { Sheet } from "../../ui/sheet";
import { moment, seconds, unbroken } from "../format";
import type { GuidedJob } from "../jobs";
import { momentOf, STEPS } from "../next";
import { nameOf, TruthWord } from "../parts";
import { lastFix, locate } from "../position";
import { now, useLive } from "../session";
import { Sketch } from "../sketch";
import { both, t, word } from "../words";
import { isApple } from "../world";

/** What may hurt somebody: the steps that must not be passed over, who lives there, and whom to call. It never expires. */
export function Safety({ job }: { job: GuidedJob }) {
  const holds = (job.guide?.steps ?? []).filter((step) => step.safety);
  const station = useLive((phone) => phone.station(job.view.station), [job.view.station]);
  return (
    <section class="card safety" data-testid="safety">
      <h2 class="titled">
        <Icon of={shield} />
        {t("safety")}
      </h2>
      {holds.length > 0 ? (
        <ul class="bullets">
          {holds.map((step) => (
            <li key={step.id}>{both(step.label)}</li>
          ))}
        </ul>
      ) : (
        <p>{t("safety-always")}</p>
      )}
      {job.view["vulnerable_customer"] === true && (
        <p>
          <strong>{t("vulnerable-customer")}</strong>
        </p>
      )}
      {job.view["sensitive_customer"] === true && (
        <p>
          <strong>{t("sensitive-customer")}</strong>
        </p>
      )}
      {station?.emergency_phone && (
        <LinkButton href={`tel:${station.emergency_phone}`} icon={call} look="danger" wide testid="emergency">
          {t("emergency", { phone: unbroken(station.emergency_phone) })}
        </LinkButton>
      )}
    </section>
  );
}

/** Where it is, how far and which way from the last fix, and the two ways to get there: call and navigate. */
export function Place({ view }: { view: TicketView }) {
  const [asking, setAsking] = useState(false);
  const here = lastFix.value?.fix;
  return (
    <section class="stack">
      <h2>{view.address ?? t("no-address")}</h2>
      {view.position && here && <Sketch from={here} to={view.position} />}
      {view.position && !here && <WhereAmI />}
      <div class="tiles">
        {view.contact_phone && (
          <LinkButton href={`tel:${view.contact_phone}`} icon={call} testid="call">
            {t("call")}
          </LinkButton>
        )}
        {view.position && (
          <Button icon={navigation} onPress={() => setAsking(true)} testid="navigate">
            {t("navigate")}
          </Button>
        )}
      </div>
      {asking && view.position && <Navigate point={view.position} name={view.address ?? ""} onClose={() => setAsking(false)} />}
    </section>
  );
}

function WhereAmI() {
  const [why, setWhy] = useState<string | null>(null);
  const ask = async () => {
    const found = await locate();
    setWhy(typeof found === "string" ? found : null);
  };
  return (
    <div class="stack">
      <Button icon={crosshair} onPress={ask} testid="where-am-i">
        {t("where-am-i")}
      </Button>
      {why && (
        <p class="quiet" role="status">
          {t(`no-fix-${why}`)}
        </p>
      )}
    </div>
  );
}

/** Maps of other apps. Ours are WGS-84, and a link says so where it can: Chinese maps are shifted by hundreds of metres. */
function Navigate({ point, name, onClose }: { point: { lat: number; lon: number }; name: string; onClose: () => void }) {
  const { lat, lon } = point;
  const [copied, setCopied] = useState(false);
  const label = encodeURIComponent(name);
  const system = isApple() ? `maps://?daddr=${lat},${lon}` : `geo:${lat},${lon}?q=${lat},${lon}(${label})`;
  const text = `${lat.toFixed(6)}, ${lon.toFixed(6)}`;
  return (
    <Sheet title={t("navigate")} onClose={onClose} testid="navigate-sheet">
      <LinkButton href={system} icon={navigation} wide>
        {t("navigate-system")}
      </LinkButton>
      <LinkButton
        href={`https://uri.amap.com/navigation?to=${lon},${lat},${label}&mode=car&coordinate=wgs84&callnative=1`}
        icon={navigation}
        wide
      >
        {t("navigate-amap")}
      </LinkButton>
      <Button icon={copy} wide onPress={() => navigator.clipboard.writeText(text).then(() => setCopied(true))}>
        {t("copy-position", { position: text })}
      </Button>
      {copied && <p role="status">{t("copied")}</p>}
      <p class="quiet">{t("datum-note")}</p>
      <Button look="plain" onPress={onClose}>
        {t("close")}
      </Button>
    </Sheet>
  );
}

/** The five steps: which are done, when, and what is known of each fact. */
export function Steps({ job }: { job: GuidedJob }) {
  const truths = useLive((phone) => phone.truths(job.view.id), [job.view.id]);
  return (
    <section class="stack">
      <h2>{t("steps")}</h2>
      <ol class="steps" data-testid="steps">
        {STEPS.map((name) => {
          const done = momentOf(job.visit, name);
          const truth = done && (truths?.get(done.fact) ?? (truths ? "hq_has_it" : undefined));
          return (
            <li key={name} data-step={name} data-done={done ? "" : undefined}>
              <Icon of={done ? check : open} class={done ? "tone-ok" : "tone-quiet"} />
              <span class="grow">
                {t(`step-${name}`)}
                {done && (
                  <span class="quiet">
                    {" "}
                    {seconds(done.at)}
                    {done.by.startsWith("member:") && ` ${nameOf(done.by)}`}
                  </span>
                )}
              </span>
              {done ? truth && <TruthWord truth={truth} fact={done.fact} /> : <span class="quiet">{t("step-open")}</span>}
            </li>
          );
        })}
      </ol>
    </section>
  );
}

const FIELDS = [
  "number",
  "customer_name",
  "contact_phone",
  "account_no",
  "meter_asset_no",
  "transformer_area",
  "feeder",
  "ownership",
  "remarks",
] as const;

/** Every field a crew may need, as it stands; empty ones are left out. */
export function Details({ view }: { view: TicketView }) {
  const shown = FIELDS.filter((name) => view[name]);
  return (
    <section class="stack">
      <h2>{t("details")}</h2>
      <dl class="facts" data-testid="details">
        {shown.map((name) => (
          <Pair key={name} name={t(`field-${name.replaceAll("_", "-")}`)} value={String(view[name])} />
        ))}
        {view.fault_class && <Pair name={t("field-fault-class")} value={word("fault-class", view.fault_class)} />}
        {view.cause && <Pair name={t("field-cause")} value={word("cause", view.cause)} />}
        {view.received_at !== undefined && <Pair name={t("field-received-at")} value={moment(view.received_at, now.value)} />}
        {view.appointment !== undefined && <Pair name={t("field-appointment")} value={moment(view.appointment, now.value)} />}
        {(view.limits ?? [])
          .filter((limit) => limit.verdict === null)
          .map((limit) => (
            <Pair key={limit.name} name={word("limit", limit.name)} value={moment(limit.due[0], now.value)} />
          ))}
      </dl>
    </section>
  );
}

function Pair({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
