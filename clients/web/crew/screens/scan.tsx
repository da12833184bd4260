// A code that belongs to no step of a guide: read or typed, and kept as a note on the job.

import { useState } from "preact/hooks";
import { useScan } from "../camera/useScan";
import { Page } from "../page";
import { go, type Place, to } from "../router";
import { record, useLive } from "../session";
import { t } from "../words";
import "../job.css";

export default function ScanScreen({ ticket = "" }: Place) {
  const [empty, setEmpty] = useState(false);
  const view = useLive((phone) => phone.ticket(ticket), [ticket]);
  const save = async (code: string) => {
    setEmpty(!code);
    const noted = code && (await record((phone) => phone.note(ticket, t("scan-note", { code }))));
    if (noted) go(to("ticket", ticket), { replace: true });
  };
  const scan = useScan({ expected: view?.meter_asset_no, wrong: empty ? t("guide-fault-required") : null, onSave: save });
  return <Page name="scan" title={t("scan-title")} back={to("ticket", ticket)} primary={scan.controls}>{scan.finder}</Page>;
}
