// A signature that belongs to no step of a guide, kept as a photo of a document.

import { useSignature } from "../guide/useSignature";
import { Page } from "../page";
import { go, type Place, to } from "../router";
import { t } from "../words";
import "../job.css";

export default function SignatureScreen({ ticket = "" }: Place) {
  const pad = useSignature({ ticket, onDone: () => go(to("ticket", ticket), { replace: true }) });
  const back = to("ticket", ticket);
  return <Page name="signature" title={t("signature-title")} back={back} primary={pad.controls}>{pad.paper}</Page>;
}
