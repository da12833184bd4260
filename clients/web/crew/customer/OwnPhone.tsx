// The road to the customer's own phone: a QR code that needs no signal here, only there.

import type { TicketView } from "../../core/types";
import { Banner } from "../../ui/banner";
import { t } from "../words";
import { Qr } from "./Qr";

export function OwnPhone({ view }: { view: TicketView }) {
  if (!view.rating_path) return <Banner tone="offline" testid="no-rating-path">{t("own-phone-none")}</Banner>;
  const address = location.origin + view.rating_path;
  return (
    <figure class="own-phone">
      <Qr text={address} label={t("own-phone-qr")} />
      <figcaption class="stack">
        <strong>{t("own-phone-scan")}</strong>
        <span class="quiet">{t("own-phone-word")}</span>
      </figcaption>
    </figure>
  );
}
