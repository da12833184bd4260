// The camera of a step or of a job: viewfinder and controls. One tap is one photo, stored before anything else happens.
// A picture that looks blurred or cannot be decoded is kept all the same; only then a question follows.

import again from "lucide-static/icons/rotate-ccw.svg?raw";
import flashlight from "lucide-static/icons/flashlight.svg?raw";
import phoneCamera from "lucide-static/icons/smartphone.svg?raw";
import send from "lucide-static/icons/cloud-upload.svg?raw";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Saved } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { attempt, fault, record, report } from "../session";
import { sentences, t } from "../words";
import { type Print, printed, warmUp } from "./darkroom";
import type { Exposure } from "./forms";
import { Outline, outlineOf } from "./Outline";
import { useViewfinder } from "./useViewfinder";

interface CameraProps {
  ticket: string;
  step?: string | undefined;
  shows?: string | undefined;
  label: string;
  /** After a photo that needs no second look, or whose second look is over. */
  onDone: (saved: Saved) => unknown;
  /** Beside the shutter: how to go on without another photo. */
  aside?: ComponentChildren;
}

/** What the kind `photo` may say of a picture; a newer guide's word becomes "other" rather than losing the photo. */
export const SHOWS = ["before", "after", "meter", "document", "other"] as const;

/** A stored photo that wants a second look. */
interface Doubt { saved: Saved; print: Print; address: string | null }

/** `doubtful` while a stored photo is looked at again. */
export interface Camera { finder: ComponentChildren; controls: ComponentChildren; doubtful: boolean }

export function useCamera(props: CameraProps): Camera {
  const { view, trouble, again: retry } = useViewfinder();
  const video = useRef<HTMLVideoElement>(null);
  const running = useRef(false);
  const [busy, setBusy] = useState(false);
  const [doubt, setDoubt] = useDoubt(`${props.ticket} ${props.step ?? ""}`);
  const [frame, setFrame] = useState<readonly [number, number]>([3, 4]);
  const measure = () => {
    const { videoWidth = 0, videoHeight = 0 } = video.current ?? {};
    if (videoWidth && videoHeight) setFrame([videoWidth, videoHeight]);
  };
  useEffect(warmUp, []);
  useEffect(() => {
    if (video.current) video.current.srcObject = view?.stream ?? null;
  }, [view, doubt]);

  const keep = async (expose: () => Promise<Exposure>) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    try {
      const print = await expose().then(printed);
      const saved = await record((phone) => phone.photo(props.ticket, print.picture, about(props)));
      if (!saved) return;
      if (print.blurred || print.undecodable) setDoubt({ saved, print, address: addressOf(print) });
      else await props.onDone(saved);
    } catch (error) {
      report(error);
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  const leave = async () => {
    if (!doubt) return;
    setDoubt(null);
    await props.onDone(doubt.saved);
  };

  if (doubt) {
    const decide = <Decide blurred={!doubt.print.undecodable} onAgain={() => setDoubt(null)} onKeep={leave} />;
    return { finder: <SecondLook {...doubt} />, controls: decide, doubtful: true };
  }
  if (trouble) {
    const fromFile = <FromFile busy={busy} aside={props.aside} onFile={(file) => keep(async () => ({ blob: file }))} />;
    return { finder: <Trouble of={trouble} onRetry={retry} />, controls: fromFile, doubtful: false };
  }
  const shoot = () => keep(() => view!.shoot(video.current!));
  return {
    finder: (
      <div class="finder" data-state={view ? "running" : "opening"}>
        <video
          ref={video} autoplay playsinline muted aria-label={t("camera-view", { what: props.label })}
          onResize={measure} onLoadedMetadata={measure}
        />
        {view && <Outline of={outlineOf(props.shows, props.step)} frame={frame} />}
        <FinderWord text={busy ? t("camera-saving") : view ? "" : t("camera-opening")} />
        <StorageFull />
      </div>
    ),
    controls: (
      <div class="shutter-row">
        <div>{view?.hasTorch && <Torch key={view.stream.id} onSwitch={view.torch} />}</div>
        <Shutter busy={busy} ready={view !== null} onPress={shoot} />
        <div>{props.aside}</div>
      </div>
    ),
    doubtful: false,
  };
}

function about({ step, shows }: CameraProps): { step?: string; shows?: string } {
  return { ...(step ? { step } : {}), ...(shows ? { shows: SHOWS.find((known) => known === shows) ?? "other" } : {}) };
}

function FinderWord({ text }: { text: string }) {
  return <p class={text ? "finder-word" : "unseen"} role="status">{text}</p>;
}

function Shutter({ busy, ready, onPress }: { busy: boolean; ready: boolean; onPress: () => unknown }) {
  return (
    <button
      type="button" class="shutter" data-primary="" data-testid="shutter" aria-busy={busy} aria-disabled={!ready}
      onClick={() => ready && onPress()}
    >
      <span>{t("camera-shoot")}</span>
    </button>
  );
}

function Torch({ onSwitch }: { onSwitch: (on: boolean) => Promise<void> }) {
  const [on, setOn] = useState(false);
  const flip = async () => {
    const done = await onSwitch(!on).then(() => true, () => false);
    if (done) setOn(!on);
  };
  return (
    <button type="button" class="header-button" aria-pressed={on} data-testid="torch" onClick={() => void flip()}>
      <Icon of={flashlight} />
      <span>{t(on ? "camera-torch-off" : "camera-torch-on")}</span>
    </button>
  );
}

/** What the camera lacks, in one sentence. */
function Trouble({ of: trouble, onRetry }: { of: string; onRetry: () => void }) {
  return (
    <div class="stack" data-testid="camera-trouble" data-trouble={trouble}>
      <Banner tone="look" live="soon" action={<Button icon={again} onPress={onRetry}>{t("camera-try-again")}</Button>}>
        {t(`camera-trouble-${trouble}`)}
      </Banner>
      <StorageFull />
    </div>
  );
}

function FromFile({ busy, onFile, aside }: { busy: boolean; onFile: (file: File) => unknown; aside?: ComponentChildren }) {
  const input = useRef<HTMLInputElement>(null);
  const took = () => {
    const file = input.current?.files?.[0];
    if (file) void onFile(file);
    if (input.current) input.current.value = "";
  };
  return (
    <div class="stack">
      {aside}
      <Button look="primary" icon={phoneCamera} onPress={() => input.current?.click()} testid="camera-file-open">
        {t(busy ? "camera-saving" : "camera-system")}
      </Button>
      <input
        ref={input} type="file" accept="image/*" capture="environment" hidden tabIndex={-1} aria-label={t("camera-system")}
        onChange={took} data-testid="camera-file"
      />
    </div>
  );
}

/** The picture that was stored, and why it is worth a second look. */
function SecondLook({ print, address, saved }: Doubt) {
  return (
    <div class="stack second-look" data-testid="second-look" data-fact={saved.fact}>
      <Banner tone="look" live="soon">
        {sentences(t(print.undecodable ? "camera-undecodable" : "camera-blurred"), t("camera-kept"))}
      </Banner>
      {address && <img src={address} alt={t("camera-last")} />}
    </div>
  );
}

/** Another one is the first choice for a blurred picture; one in a format of its own is as good as any. */
function Decide({ blurred, onAgain, onKeep }: { blurred: boolean; onAgain: () => void; onKeep: () => unknown }) {
  const [keepLook, anotherLook] = blurred ? [undefined, "primary" as const] : ["primary" as const, undefined];
  const keep = <Button wide look={keepLook} onPress={onKeep} testid="camera-keep">{t("camera-go-on")}</Button>;
  const another = (
    <Button wide look={anotherLook} icon={again} onPress={onAgain} testid="camera-again">{t("camera-another")}</Button>
  );
  return blurred ? <>{keep}{another}</> : <>{another}{keep}</>;
}

/** Facts are small and go on; photos wait for room. */
function StorageFull() {
  if (fault.value?.slug !== "storage-full") return null;
  const now = () => attempt((phone) => phone.sync("storage-full"));
  return (
    <Banner tone="offline" testid="storage-full" action={<Button icon={send} onPress={now}>{t("camera-send-now")}</Button>}>
      {t("camera-storage-full")}
    </Banner>
  );
}

/** The doubt about this step's photo; another step has none. Its picture's address is given back when it is over. */
function useDoubt(about: string): [Doubt | null, (doubt: Doubt | null) => void] {
  const [held, setHeld] = useState<{ about: string; doubt: Doubt } | null>(null);
  const doubt = held?.about === about ? held.doubt : null;
  const address = held?.doubt.address;
  useEffect(() => () => {
    if (address) URL.revokeObjectURL(address);
  }, [address]);
  return [doubt, (next) => setHeld(next && { about, doubt: next })];
}

function addressOf(print: Print): string | null {
  return print.picture.preview ? URL.createObjectURL(new Blob([print.picture.preview], { type: "image/jpeg" })) : null;
}
