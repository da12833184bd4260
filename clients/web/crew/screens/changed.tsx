// Changed by HQ 总部变更: one sentence each, and first what became of the crew's own work.

import { useEffect } from "preact/hooks";
import { Banner } from "../../ui/banner";
import { changesOf, markSeen } from "../changes";
import { Page } from "../page";
import { to } from "../router";
import { report, useLive, usePhone } from "../session";
import { Told } from "../told";
import { t } from "../words";

export default function Changed() {
  const phone = usePhone();
  const changes = useLive(changesOf);
  useEffect(() => {
    if (changes) void markSeen(phone, changes).catch(report);
  }, [changes]);
  return (
    <Page name="changed" title={t("changes-title")} back={to("today")}>
      <p>{t("changes-intro")}</p>
      {changes?.length === 0 && (
        <Banner tone="ok" testid="no-changes">
          {t("changes-none")}
        </Banner>
      )}
      {changes?.map((change, at) => (
        <Told key={at} change={change} linked />
      ))}
    </Page>
  );
}
