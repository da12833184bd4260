// The page's door to the darkroom: hands an exposure to the worker and gets a `Picture` that can be stored.
// Where workers cannot draw, the page does it itself; when it takes too long or fails, the original goes on alone.

import type { Picture } from "../../core/types";
import { develop, type Developed, type Easel, type Exposure } from "./forms";
import { looksBlurred } from "./sharpness";

/** A photo is worth more than its preview: after this the original is stored alone. */
const FORMS_TIMEOUT_MS = 4000;

export interface Print { picture: Picture; blurred: boolean; undecodable: boolean }

let worker: Worker | null = null;
let asked = 0;
const waiting = new Map<number, { resolve: (developed: Developed) => void; reject: (error: Error) => void }>();

/** The photo with its smaller forms, ready to be stored. */
export async function printed(exposure: Exposure): Promise<Print> {
  const developed = await developedSomehow(exposure);
  const blobs = [developed.original, developed.copy, developed.preview];
  const [original, copy, preview] = await Promise.all(blobs.map((blob) => blob?.arrayBuffer()));
  const forms = preview && copy ? { preview, copy } : {};
  return {
    picture: { original: original!, type: developed.original.type, ...forms },
    blurred: developed.sharpness !== undefined && looksBlurred(developed.sharpness),
    undecodable: !developed.preview,
  };
}

/** Start the worker before the first shot needs it. */
export function warmUp(): void {
  if (!worker && typeof Worker !== "undefined" && typeof OffscreenCanvas !== "undefined") worker = started();
}

async function developedSomehow(exposure: Exposure): Promise<Developed> {
  warmUp();
  if (!worker) return develop(exposure, easel);
  if ("frame" in exposure) return inWorker(exposure);
  const alone = new Promise<Developed>((resolve) => setTimeout(() => resolve({ original: exposure.blob }), FORMS_TIMEOUT_MS));
  return Promise.race([inWorker(exposure).catch(() => ({ original: exposure.blob })), alone]);
}

function inWorker(exposure: Exposure): Promise<Developed> {
  const id = ++asked;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker!.postMessage({ id, exposure }, "frame" in exposure ? [exposure.frame] : []);
  });
}

function started(): Worker {
  const made = new Worker(new URL("./picture.worker.ts", import.meta.url), { type: "module" });
  made.onmessage = (event: MessageEvent<{ id: number; developed?: Developed; fault?: string }>) => {
    const { id, developed, fault } = event.data;
    if (developed) waiting.get(id)?.resolve(developed);
    else waiting.get(id)?.reject(new Error(fault));
    waiting.delete(id);
  };
  made.onerror = () => {
    worker = null;
    for (const { reject } of waiting.values()) reject(new Error("the worker stopped"));
    waiting.clear();
  };
  return made;
}

function easel(width: number, height: number): Easel {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new Error("no canvas");
  return { context, jpeg: (quality) => encoded(canvas, quality) };
}

function encoded(canvas: HTMLCanvasElement, quality: number): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", quality);
  });
}
