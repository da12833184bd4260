import { describe, expect, test } from "vitest";
import { fitted, within } from "./forms";
import { greyOf, looksBlurred, roughness, sharpness } from "./sharpness";

const WIDTH = 400;
const HEIGHT = 300;

/** A drawn meter plate: dark bars on a light ground inside `box`, bare wall around it. */
function scene(box: { left: number; top: number; right: number; bottom: number }): Uint8Array {
  return Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) => {
    const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
    const inside = x >= box.left && x < box.right && y >= box.top && y < box.bottom;
    return inside && (x >> 2) % 2 && (y >> 3) % 2 ? 60 : 190;
  });
}

/** The mean over a square, as a lens out of focus takes it. */
function blurred(grey: Uint8Array, radius: number): Uint8Array {
  return grey.map((_, at) => {
    const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
    let [sum, count] = [0, 0];
    for (let down = -radius; down <= radius; down++) {
      for (let across = -radius; across <= radius; across++) {
        const [px, py] = [x + across, y + down];
        if (px < 0 || py < 0 || px >= WIDTH || py >= HEIGHT) continue;
        sum += grey[py * WIDTH + px]!;
        count += 1;
      }
    }
    return sum / count;
  });
}

const everywhere = { left: 0, top: 0, right: WIDTH, bottom: HEIGHT };
const judged = (grey: Uint8Array) => sharpness(grey, WIDTH, HEIGHT);

describe("the hint that a picture looks blurred", () => {
  test("is not given for a sharp picture, and is given for the same picture out of focus", () => {
    expect(looksBlurred(judged(scene(everywhere)))).toBe(false);
    expect(looksBlurred(judged(blurred(scene(everywhere), 8)))).toBe(true);
  });

  test("gets stronger with every step of blur", () => {
    const values = [0, 1, 2, 4].map((radius) => judged(radius ? blurred(scene(everywhere), radius) : scene(everywhere)));
    expect(values).toEqual([...values].sort((one, two) => two - one));
  });

  test("looks at the sharpest part: a small sharp meter before a bare wall is sharp", () => {
    const small = scene({ left: 40, top: 40, right: 130, bottom: 110 });
    expect(looksBlurred(judged(small))).toBe(false);
    expect(judged(small)).toBeGreaterThan(4 * roughness(small, WIDTH, 1, 1, WIDTH - 1, HEIGHT - 1));
  });

  test("is given for a lens that was covered, and nothing breaks on a picture of a few pixels", () => {
    expect(looksBlurred(judged(new Uint8Array(WIDTH * HEIGHT).fill(12)))).toBe(true);
    expect(sharpness(new Uint8Array(9), 3, 3)).toBe(0);
  });

  test("grey is the luma of the colours", () => {
    expect([...greyOf(Uint8ClampedArray.from([255, 255, 255, 255, 0, 0, 0, 255, 0, 255, 0, 255]))]).toEqual([255, 0, 149]);
  });
});

describe("the smaller forms", () => {
  test("keep the shape, never grow, and never vanish", () => {
    expect(fitted(4032, 3024, 1600)).toEqual([1600, 1200]);
    expect(fitted(3024, 4032, 320)).toEqual([240, 320]);
    expect(fitted(640, 480, 1600)).toEqual([640, 480]);
    expect(fitted(10_000, 3, 320)).toEqual([320, 1]);
  });

  test("take the best quality that fits, and the smallest when none does", async () => {
    const encode = async (quality: number) => new Blob([new Uint8Array(1000 * quality)]);
    expect((await within(700, [0.8, 0.7, 0.5], encode)).size).toBe(700);
    expect((await within(1000, [0.8, 0.7], encode)).size).toBe(800);
    expect((await within(10, [0.8, 0.7], encode)).size).toBe(700);
  });
});
