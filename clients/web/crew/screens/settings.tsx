// Settings 设置: language, colours, what is stored, which phone this is, the rescue file, updates, and leaving.

import download from "lucide-static/icons/download.svg?raw";
import leave from "lucide-static/icons/log-out.svg?raw";
import refresh from "lucide-static/icons/refresh-cw.svg?raw";
import shield from "lucide-static/icons/shield-check.svg?raw";
import { useEffect, useState } from "preact/hooks";
import type { SelfTest } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button, LinkButton } from "../../ui/button";
import { Choice } from "../../ui/choice";
import { Sheet } from "../../ui/sheet";
import { Page } from "../page";
import { nameOf } from "../parts";
import { Rescue } from "../rescue";
import { to } from "../router";
import { attempt, forget, report, status, useLive, usePhone } from "../session";
import { setTheme, theme, type Theme } from "../theme";
import { applyUpdate, updateReady, version } from "../update";
import { language, setLanguage, t } from "../words";
import { protectStorage } from "../world";

const THEMES: Theme[] = ["auto", "sun", "night"];

export default function Settings() {
  return (
    <Page name="settings" title={t("settings-title")} back={to("today")}>
      <Choice
        label={t("settings-language")}
        chips
        value={language.value}
        onChange={(lang) => void setLanguage(lang === "zh" ? "zh" : "en").catch(report)}
        testid="settings-language"
        options={[
          { value: "zh", label: "中文" },
          { value: "en", label: "English" },
        ]}
      />
      <Choice
        label={t("settings-theme")}
        chips
        value={theme.value}
        onChange={(chosen) => setTheme(chosen as Theme)}
        options={THEMES.map((value) => ({ value, label: t(`theme-${value}`) }))}
        testid="settings-theme"
      />
      <Storage />
      <section class="stack">
        <h2>{t("rescue-title")}</h2>
        <Rescue icon={download} />
      </section>
      <ThisPhone />
      <Leave />
    </Page>
  );
}

function Storage() {
  const [found, setFound] = useState<SelfTest | null>(null);
  const look = async () => setFound(await attempt((phone) => phone.selfTest()));
  useEffect(() => void look(), []);
  return (
    <section class="stack">
      <h2>{t("settings-storage")}</h2>
      {found && (
        <>
          <p>{t(found.persisted ? "check-persisted-good" : "check-persisted-look")}</p>
          <p>
            {t("settings-room", {
              free: found.freeMb === null ? "–" : String(found.freeMb),
              tickets: found.tickets,
              guides: found.guides,
            })}
          </p>
          {!found.persisted && (
            <Button icon={shield} onPress={() => protectStorage().then(look)}>
              {t("start-protect")}
            </Button>
          )}
        </>
      )}
      <LinkButton href={to("start")}>{t("settings-check")}</LinkButton>
    </section>
  );
}

function ThisPhone() {
  const phone = usePhone();
  const head = useLive(async (opened) => (await opened.queue()).findLast((item) => item.fact));
  return (
    <section class="stack">
      <h2>{t("settings-phone")}</h2>
      <dl class="facts">
        <dt>{t("settings-member")}</dt>
        <dd>{nameOf(phone.member)}</dd>
        <dt>{t("settings-device")}</dt>
        <dd class="code">{phone.device}</dd>
        {head && (
          <>
            <dt>{t("settings-head")}</dt>
            <dd class="code">{`${head.n} · ${head.fact!.slice(0, 12)}`}</dd>
          </>
        )}
        <dt>{t("settings-server")}</dt>
        <dd class="code">{phone.address}</dd>
        <dt>{t("settings-version")}</dt>
        <dd class="code">{version}</dd>
      </dl>
      {updateReady.value ? (
        <Button icon={refresh} onPress={applyUpdate} testid="apply-update">
          {t("update-apply")}
        </Button>
      ) : (
        <CheckUpdate />
      )}
    </section>
  );
}

function CheckUpdate() {
  const [told, setTold] = useState("");
  const ask = async () => {
    const found = await navigator.serviceWorker.getRegistration();
    const asked = await found?.update().then(
      () => true,
      () => false,
    );
    setTold(asked ? "update-asked" : "update-unreachable");
  };
  return (
    <>
      <Button icon={refresh} onPress={ask} testid="check-update">
        {t("update-check")}
      </Button>
      {told && <p role="status">{t(told)}</p>}
    </>
  );
}

/** Leaving forgets this phone; while something is only here it is refused, and the rescue file is the way out. */
function Leave() {
  const [asking, setAsking] = useState(false);
  return (
    <section class="stack">
      <Button icon={leave} look="danger" onPress={() => setAsking(true)} testid="sign-out">
        {t("sign-out")}
      </Button>
      {asking && <LeaveSheet onClose={() => setAsking(false)} />}
    </section>
  );
}

function LeaveSheet({ onClose }: { onClose: () => void }) {
  const [exported, setExported] = useState(false);
  const unsent = (status.value?.waiting ?? 0) + (status.value?.photosWaiting ?? 0);
  const photos = status.value?.photosWaiting ?? 0;
  const leaveNow = async () => {
    const left = await attempt(async (phone) => (await forget(phone, { exported }), true));
    if (left) location.replace(location.pathname);
    else onClose();
  };
  return (
    <Sheet title={t("sign-out")} onClose={onClose} testid="sign-out-sheet">
      {unsent > 0 && !exported && (
        <Banner tone="danger" testid="sign-out-unsent">
          {t("sign-out-unsent", { unsent })}
        </Banner>
      )}
      {unsent > 0 && exported && photos > 0 && <Banner tone="danger">{t("sign-out-photos", { photos })}</Banner>}
      {unsent > 0 && <Rescue icon={download} onExported={() => setExported(true)} />}
      <p>{t("sign-out-note")}</p>
      {(unsent === 0 || exported) && (
        <Button look="danger" onPress={leaveNow} testid="sign-out-now">
          {t("sign-out-now")}
        </Button>
      )}
      <Button onPress={onClose}>{t("sign-out-stay")}</Button>
    </Sheet>
  );
}
