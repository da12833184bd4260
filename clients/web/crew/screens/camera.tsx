// Photos of a job that belong to no step of its guide.

import { useState } from "preact/hooks";
import type { Moment } from "../../core/types";
import { Choice } from "../../ui/choice";
import { LinkButton } from "../../ui/button";
import { Thumbs } from "../camera/Thumb";
import { SHOWS, useCamera } from "../camera/useCamera";
import { photosOf, readJob, stepAddress } from "../guide/job";
import { chipsOf } from "../guide/reason";
import { Page } from "../page";
import { type Place, to } from "../router";
import { useLive } from "../session";
import { t, word } from "../words";
import { NotHere } from "./guide";
import "../job.css";

export default function CameraScreen({ ticket = "" }: Place) {
  const found = useLive((phone) => readJob(phone, ticket), [ticket]);
  if (!found) return <NotHere ticket={ticket} found={found} />;
  return <Free ticket={ticket} photos={photosOf(found.visit, undefined)} />;
}

function Free({ ticket, photos }: { ticket: string; photos: Moment[] }) {
  const [shows, setShows] = useState<string>("other");
  const truths = useLive((phone) => phone.truths(ticket), [ticket]);
  const back = stepAddress(ticket, null);
  const camera = useCamera({
    ticket, shows, label: word("shows", shows), onDone: () => undefined,
    aside: photos.length > 0 && <LinkButton look="plain" href={back} testid="go-on">{t("camera-done")}</LinkButton>,
  });
  return (
    <Page name="camera" title={t("camera-title")} back={to("ticket", ticket)} primary={camera.controls}>
      <div class="slim">
        <Choice chips label={t("camera-shows")} value={shows} onChange={setShows} options={chipsOf("shows", SHOWS)} />
      </div>
      {camera.finder}
      <Thumbs photos={photos} truths={truths} />
      {photos.length > 0 && <p class="meta">{t("camera-first-stays", { count: photos.length })}</p>}
    </Page>
  );
}
