// How sharp a picture looks: the variance of the Laplacian, of the sharpest part of a small grey image.
// A hint for the person at the shutter, never a verdict. Refuses to know where pixels come from.

/** Below this the sharpest part of a picture of `GREY_PX` looks blurred; found by blurring real photos step by step. */
export const BLURRED_BELOW = 60;
/** Longest side of the grey image that is judged. */
export const GREY_PX = 800;
/** A meter may be sharp in front of a bare wall, so the picture is judged by the best of these × these parts. */
const PARTS = 4;

/** Luma of RGBA pixels, 0–255. */
export function greyOf(rgba: Uint8ClampedArray): Uint8Array {
  const grey = new Uint8Array(rgba.length >> 2);
  for (let at = 0, from = 0; at < grey.length; at++, from += 4) {
    grey[at] = (rgba[from]! * 77 + rgba[from + 1]! * 150 + rgba[from + 2]! * 29) >> 8;
  }
  return grey;
}

/** Variance of the Laplacian in the part from (left, top) up to (right, bottom), which must leave a border of one pixel. */
export function roughness(grey: Uint8Array, width: number, left: number, top: number, right: number, bottom: number): number {
  let sum = 0;
  let squares = 0;
  for (let y = top; y < bottom; y++) {
    for (let at = y * width + left, end = y * width + right; at < end; at++) {
      const edge = grey[at - 1]! + grey[at + 1]! + grey[at - width]! + grey[at + width]! - 4 * grey[at]!;
      sum += edge;
      squares += edge * edge;
    }
  }
  const count = Math.max(1, (right - left) * (bottom - top));
  return squares / count - (sum / count) ** 2;
}

/** The roughness of the sharpest part of the picture; 0 for a picture too small to judge. */
export function sharpness(grey: Uint8Array, width: number, height: number): number {
  const [across, down] = [Math.floor((width - 2) / PARTS), Math.floor((height - 2) / PARTS)];
  if (across < 4 || down < 4) return 0;
  let best = 0;
  for (let part = 0; part < PARTS * PARTS; part++) {
    const [left, top] = [1 + (part % PARTS) * across, 1 + Math.floor(part / PARTS) * down];
    best = Math.max(best, roughness(grey, width, left, top, left + across, top + down));
  }
  return best;
}

export const looksBlurred = (value: number): boolean => value < BLURRED_BELOW;
