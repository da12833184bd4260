// The camera inside the page: opens the back camera, shoots at the best resolution it gives, and lets it go.
// Refuses to know photos' forms and where they are stored.

import type { Exposure } from "./forms";

/** How long a full-resolution shot may take before a frame of the viewfinder is taken instead. */
const SHOT_TIMEOUT_MS = 2500;

export type CameraTrouble = "refused" | "absent" | "busy" | "insecure";

export class CameraFault extends Error {
  constructor(readonly trouble: CameraTrouble) { super(trouble); }
}

/** Sizes to ask for: where full-resolution shots exist the stream is only looked at, else its frames are the photos. */
const TO_LOOK = { width: { ideal: 1920 }, height: { ideal: 1440 } };
const TO_KEEP = { width: { ideal: 4032 }, height: { ideal: 3024 } };

interface Shooter { takePhoto(): Promise<Blob> }
declare const ImageCapture: (new (track: MediaStreamTrack) => Shooter) | undefined;

export interface Viewfinder {
  readonly stream: MediaStream;
  readonly hasTorch: boolean;
  torch(on: boolean): Promise<void>;
  shoot(video: HTMLVideoElement): Promise<Exposure>;
  stop(): void;
}

/** The back camera, running. Rejects with CameraFault. */
export async function openViewfinder(): Promise<Viewfinder> {
  if (!window.isSecureContext) throw new CameraFault("insecure");
  if (!navigator.mediaDevices?.getUserMedia) throw new CameraFault("absent");
  const stream = await asked(hasShooter() ? TO_LOOK : TO_KEEP);
  const track = stream.getVideoTracks()[0]!;
  let shooter = hasShooter() ? shooterOf(track) : null;
  return {
    stream,
    hasTorch: "torch" in (track.getCapabilities?.() ?? {}),
    torch: (on) => track.applyConstraints({ advanced: [{ torch: on } as MediaTrackConstraintSet] }),
    async shoot(video) {
      const blob = shooter && (await shotInTime(shooter));
      if (blob) return { blob };
      shooter = null; // what failed once would only make every further shot slow
      return { frame: await createImageBitmap(video) };
    },
    stop: () => stream.getTracks().forEach((each) => each.stop()),
  };
}

const hasShooter = (): boolean => typeof ImageCapture !== "undefined";

function shooterOf(track: MediaStreamTrack): Shooter | null {
  try {
    return new ImageCapture!(track);
  } catch {
    return null;
  }
}

async function shotInTime(shooter: Shooter): Promise<Blob | null> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), SHOT_TIMEOUT_MS));
  const blob = await Promise.race([shooter.takePhoto().catch(() => null), late]);
  return blob && blob.size > 0 ? blob : null;
}

async function asked(size: MediaTrackConstraints): Promise<MediaStream> {
  try {
    const video = { facingMode: { ideal: "environment" }, ...size };
    return await navigator.mediaDevices.getUserMedia({ audio: false, video });
  } catch (error) {
    throw new CameraFault(troubleOf(error));
  }
}

function troubleOf(error: unknown): CameraTrouble {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "absent";
}
