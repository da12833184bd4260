// From one photo the smaller forms that travel first: a copy (1600 px, ≤ 300 KB) and a preview (320 px, ≤ 20 KB), and how sharp
// it looks. The original is only read, never changed. Runs in the worker and, where there is none, on the page.

import { GREY_PX, greyOf, sharpness } from "./sharpness";

export const COPY = { px: 1600, bytes: 300 * 1024, qualities: [0.82, 0.72, 0.6, 0.45, 0.3] };
export const PREVIEW = { px: 320, bytes: 20 * 1024, qualities: [0.72, 0.55, 0.4, 0.25, 0.15] };
/** A frame of the viewfinder becomes an original by this; a photo that came as a file is left alone. */
const FRAME_QUALITY = 0.92;

export interface Forms { copy?: Blob; preview?: Blob; sharpness?: number }
/** What is sent to the worker: a file as the camera made it, or a frame of the viewfinder. */
export type Exposure = { blob: Blob } | { frame: ImageBitmap };
export interface Developed extends Forms { original: Blob }

/** A canvas of this size, wherever it is made. */
export interface Easel {
  readonly context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
  jpeg(quality: number): Promise<Blob>;
}
export type EaselMaker = (width: number, height: number) => Easel;

/** The largest size of the same shape whose longest side is at most `longest`; never larger than it was. */
export function fitted(width: number, height: number, longest: number): [number, number] {
  const scale = Math.min(1, longest / Math.max(width, height, 1));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

/** The first of `qualities` that comes out at most `bytes` long, else the last one made. */
export async function within(
  bytes: number, qualities: readonly number[], encode: (quality: number) => Promise<Blob>,
): Promise<Blob> {
  let made = await encode(qualities[0]!);
  for (const quality of qualities.slice(1)) {
    if (made.size <= bytes) break;
    made = await encode(quality);
  }
  return made;
}

/** The forms of an exposure. A picture that cannot be decoded has none; its original goes on as it is. */
export async function develop(exposure: Exposure, easel: EaselMaker): Promise<Developed> {
  if ("frame" in exposure) {
    const { frame } = exposure;
    const whole = drawn(frame, easel, Math.max(frame.width, frame.height));
    const original = await whole.jpeg(FRAME_QUALITY);
    return { original, ...(await formsOf(frame, easel)) };
  }
  const picture = await decoded(exposure.blob);
  return { original: exposure.blob, ...(picture ? await formsOf(picture, easel) : {}) };
}

async function decoded(blob: Blob): Promise<ImageBitmap | null> {
  try {
    return await createImageBitmap(blob);
  } catch {
    return null;
  }
}

async function formsOf(picture: ImageBitmap, easel: EaselMaker): Promise<Forms> {
  try {
    const large = drawn(picture, easel, COPY.px);
    const small = drawn(picture, easel, PREVIEW.px);
    const copy = await within(COPY.bytes, COPY.qualities, large.jpeg);
    const preview = await within(PREVIEW.bytes, PREVIEW.qualities, small.jpeg);
    return { copy, preview, sharpness: judged(picture, easel) };
  } finally {
    picture.close();
  }
}

function judged(picture: ImageBitmap, easel: EaselMaker): number {
  const grey = drawn(picture, easel, GREY_PX);
  const { width, height } = grey.context.canvas;
  return sharpness(greyOf(grey.context.getImageData(0, 0, width, height).data), width, height);
}

function drawn(picture: ImageBitmap, easel: EaselMaker, longest: number): Easel {
  const [width, height] = fitted(picture.width, picture.height, longest);
  const made = easel(width, height);
  made.context.imageSmoothingQuality = "medium";
  made.context.drawImage(picture, 0, 0, width, height);
  return made;
}
