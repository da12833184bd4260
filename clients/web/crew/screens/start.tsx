// Start shift 开始班次: what must be right before there is no signal, each with ✔ or ! and one sentence, and at most one button.

import check from "lucide-static/icons/circle-check.svg?raw";
import look from "lucide-static/icons/triangle-alert.svg?raw";
import { useEffect, useState } from "preact/hooks";
import type { Phone, SelfTest } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { Page } from "../page";
import { locate, permission, watchPermission } from "../position";
import { go, to } from "../router";
import { attempt, report, useLive, usePhone } from "../session";
import { askToInstall } from "../update";
import { t } from "../words";
import { protectStorage } from "../world";

const ROOM_MB = 200;

interface Line {
  name: string;
  good: boolean;
  values?: Record<string, string | number>;
  button?: { words: string; press: () => Promise<unknown> } | undefined;
}
/** What a permission says: `prompt` still asks, null where the browser does not tell. */
type Told = PermissionState | null;

export default function Start() {
  const phone = usePhone();
  const [found, setFound] = useState<SelfTest | null>(null);
  const [camera, setCamera] = useState<Told>(null);
  const look = async () => {
    await Promise.all([watchPermission(), cameraPermission().then(setCamera)]);
    const test = await attempt((opened) => opened.selfTest());
    if (test) setFound(test);
  };
  useEffect(() => void look().catch(report), [phone]);
  const here = useLive(async (opened) => ({
    tickets: (await opened.tickets()).length,
    guides: (await opened.guides()).length,
  }));
  const lines = found ? linesOf({ ...found, ...here }, permission.value, camera, { phone, look }) : [];
  const needed = lines.filter((line) => !line.good && VITAL.has(line.name));
  const begin = async () => {
    await phone.remember("start", { at: Date.now(), good: needed.length === 0 });
    go(to("today"));
  };
  return (
    <Page
      name="start"
      title={t("start-title")}
      back={to("today")}
      primary={
        found ? (
          <Button look="primary" onPress={begin} testid="start-shift">
            {t("start-do")}
          </Button>
        ) : undefined
      }
    >
      {!found && <p role="status">{t("start-testing")}</p>}
      {found && (
        <Banner tone={needed.length ? "look" : "ok"} live="soon" testid="start-result">
          {t(needed.length ? "start-look" : "phone-ready")}
        </Banner>
      )}
      <ul class="rows" data-testid="start-lines">
        {lines.map((line) => (
          <Shown key={line.name} line={line} />
        ))}
      </ul>
    </Page>
  );
}

/** Without these a job cannot be recorded safely; the others only make it better. */
const VITAL = new Set(["writes", "signs", "tickets", "room"]);

function linesOf(
  found: SelfTest,
  position: Told,
  camera: Told,
  { phone, look }: { phone: Phone; look: () => Promise<void> },
): Line[] {
  const then = (work: () => Promise<unknown>) => () => work().then(look);
  const install = askToInstall.value;
  const room = found.freeMb === null || found.freeMb >= ROOM_MB;
  return [
    { name: "installed", good: found.installed, button: install ? { words: "install-do", press: then(install) } : undefined },
    { name: "persisted", good: found.persisted, button: { words: "start-protect", press: then(protectStorage) } },
    { name: "writes", good: found.writes, button: { words: "try-again", press: look } },
    { name: "signs", good: found.signs, button: { words: "try-again", press: look } },
    {
      name: "tickets",
      good: found.tickets > 0,
      values: { tickets: found.tickets, guides: found.guides },
      button: { words: "send-now", press: then(() => phone.sync("send-now")) },
    },
    { name: "room", good: room, values: { free: found.freeMb === null ? "–" : String(found.freeMb) } },
    {
      name: "position",
      good: position === "granted",
      button: position === "denied" ? undefined : { words: "start-allow", press: then(locate) },
    },
    {
      name: "camera",
      good: camera === "granted",
      button: camera === "denied" ? undefined : { words: "start-allow", press: then(askCamera) },
    },
  ];
}

function Shown({ line }: { line: Line }) {
  return (
    <li class="check" data-check={line.name} data-good={line.good ? "" : undefined}>
      <Icon of={line.good ? check : look} class={line.good ? "tone-ok" : "tone-look"} />
      <span>{t(`check-${line.name}-${line.good ? "good" : "look"}`, line.values)}</span>
      {!line.good && line.button && <Button onPress={line.button.press}>{t(line.button.words)}</Button>}
    </li>
  );
}

async function cameraPermission(): Promise<Told> {
  try {
    return (await navigator.permissions.query({ name: "camera" as PermissionName })).state;
  } catch {
    return null; // a browser that does not tell; the camera screen asks
  }
}

/** Open the camera once so that the browser asks, and let it go at once. */
async function askCamera(): Promise<void> {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    stream.getTracks().forEach((track) => track.stop());
  } catch {
    // The line keeps its "!" and says what to do.
  }
}
