// Handing over to the customer (交客户评价): on the customer's own phone, on this one, or why not. While the customer has the
// phone, this is the only screen there is.

import away from "lucide-static/icons/user-x.svg?raw";
import done from "lucide-static/icons/check.svg?raw";
import hand from "lucide-static/icons/smartphone.svg?raw";
import { useState } from "preact/hooks";
import type { Phone, TicketView, Visit } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button, LinkButton } from "../../ui/button";
import { Sheet } from "../../ui/sheet";
import { CustomerMode } from "../customer/CustomerMode";
import { held, hold } from "../customer/held";
import { PIN, type PinHash } from "../customer/pin";
import { PinChoice } from "../customer/PinPad";
import { OwnPhone } from "../customer/OwnPhone";
import { type Result, WhyNot } from "../customer/WhyNot";
import { Page } from "../page";
import { ratedByOwnPhone } from "../next";
import { go, type Place, to } from "../router";
import { attempt, record, useLive } from "../session";
import { language, t } from "../words";
import { NotHere } from "./guide";
import "../job.css";

export default function CustomerScreen({ ticket = "" }: Place) {
  const found = useLive(async (phone) => {
    const view = await phone.ticket(ticket);
    return view && { view, visit: phone.visit(view)?.visit ?? null };
  }, [ticket]);
  if (held.value) return <CustomerMode key={held.value.opened.fact} held={held.value} />;
  return found ? <HandOver {...found} /> : <NotHere ticket={ticket} found={found} />;
}

function HandOver({ view, visit }: { view: TicketView; visit: Visit | null }) {
  const [sheet, setSheet] = useState<"why" | "pin" | null>(null);
  const handOver = () => attempt(async (phone) => {
    if (!(await phone.recall<PinHash>(PIN))) return setSheet("pin");
    void document.documentElement.requestFullscreen?.().catch(() => undefined);
    await handedOver(phone, view.id);
  });
  const why = async (result: Result, reason: string) => {
    const saved = await record(async (phone) => phone.closeRating(await phone.openRating(view.id), null, { result, reason }));
    if (saved) go(to("ticket", view.id, "done"), { replace: true });
  };
  const onward = to("ticket", view.id, "done");
  if (visit?.rating || ratedByOwnPhone(view)) return <Rated view={view} />;
  const primary = (
    <>
      <LinkButton wide icon={done} href={onward} testid="scanned">{t("handover-scanned")}</LinkButton>
      <Button look="primary" icon={hand} onPress={handOver} testid="on-this-phone">{t("handover-here")}</Button>
    </>
  );
  return (
    <Page name="hand-over" title={t("handover-title")} back={to("ticket", view.id)} primary={primary}>
      <p>{t("handover-word")}</p>
      <OwnPhone view={view} />
      <Button wide icon={away} onPress={() => setSheet("why")} testid="why-not">{t("handover-why-not")}</Button>
      {sheet === "why" && (
        <Sheet title={t("handover-why-not")} onClose={() => setSheet(null)} testid="why-not-sheet">
          <WhyNot onSave={why}><Button wide onPress={() => setSheet(null)}>{t("cancel")}</Button></WhyNot>
        </Sheet>
      )}
      {sheet === "pin" && (
        <Sheet title={t("handover-pin")} onClose={() => setSheet(null)} testid="pin-sheet">
          <p>{t("handover-pin-word")}</p>
          <PinChoice onChosen={() => { setSheet(null); return handOver(); }} />
        </Sheet>
      )}
    </Page>
  );
}

/** Opened on paper first, then remembered, and only then shown: a missing answer is visible whatever happens next. */
async function handedOver(phone: Phone, ticket: string): Promise<void> {
  const opened = await phone.openRating(ticket);
  await hold(phone, { ticket, opened, lang: language.peek() });
}

function Rated({ view }: { view: TicketView }) {
  const onward = <LinkButton look="primary" href={to("ticket", view.id, "done")}>{t("continue")}</LinkButton>;
  return (
    <Page name="hand-over" title={t("handover-title")} back={to("ticket", view.id)} primary={onward}>
      <Banner tone="ok" testid="rated">{t("handover-rated")}</Banner>
    </Page>
  );
}
