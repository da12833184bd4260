// The QR code alone and large, to hold out to the customer.

import { OwnPhone } from "../customer/OwnPhone";
import { Page } from "../page";
import { type Place, to } from "../router";
import { useLive } from "../session";
import { t } from "../words";
import { NotHere } from "./guide";
import "../job.css";

export default function OwnPhoneScreen({ ticket = "" }: Place) {
  const view = useLive((phone) => phone.ticket(ticket), [ticket]);
  if (!view) return <NotHere ticket={ticket} found={view} />;
  return (
    <Page name="own-phone" title={t("own-phone-title")} back={to("ticket", ticket, "rate")}>
      <div class="held-out"><OwnPhone view={view} /></div>
    </Page>
  );
}
