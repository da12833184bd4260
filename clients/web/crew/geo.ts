// Distances and directions on the ground, WGS-84; pure. Good to a metre where crews work.

export interface Point {
  lat: number;
  lon: number;
}

const EARTH_M = 6_371_008.8;
const FAR_M = 300;

export function metresBetween(one: Point, two: Point): number {
  const [a, b] = [radians(one.lat), radians(two.lat)];
  const half = Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(radians(two.lon - one.lon) / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(half)));
}

/** Degrees from north, clockwise, from one to two. */
export function bearing(one: Point, two: Point): number {
  const [a, b, east] = [radians(one.lat), radians(two.lat), radians(two.lon - one.lon)];
  const angle = Math.atan2(
    Math.sin(east) * Math.cos(b),
    Math.cos(a) * Math.sin(b) - Math.sin(a) * Math.cos(b) * Math.cos(east),
  );
  return ((angle * 180) / Math.PI + 360) % 360;
}

/** One of n, ne, e, se, s, sw, w, nw. */
export function compass(degrees: number): string {
  return ["n", "ne", "e", "se", "s", "sw", "w", "nw"][Math.round(degrees / 45) % 8]!;
}

/** Farther away than 300 m, even if both positions are as wrong as they may be. */
export function isFar(metres: number, accuracy = 0, other = 0): boolean {
  return metres - accuracy - other > FAR_M;
}

/** 4 bars within 10 m, 3 within 30 m, 2 within 100 m, else 1. */
export function bars(accuracy: number | undefined): number {
  if (accuracy === undefined) return 1;
  return accuracy <= 10 ? 4 : accuracy <= 30 ? 3 : accuracy <= 100 ? 2 : 1;
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
