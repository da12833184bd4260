// A map of two points without any map: north up, the phone in the middle, the address where it lies, a ring at its distance.
// Drawn from the last fix alone; needs no tiles and no network.

import { bearing, compass, metresBetween, type Point } from "./geo";
import { distance } from "./format";
import { t } from "./words";

const MIDDLE = 80;
const RING = 52;

export function Sketch({ from, to }: { from: Point; to: Point }) {
  const metres = metresBetween(from, to);
  const angle = bearing(from, to);
  const [x, y] = [MIDDLE + RING * Math.sin((angle * Math.PI) / 180), MIDDLE - RING * Math.cos((angle * Math.PI) / 180)];
  const told = t("sketch-told", { distance: distance(metres), direction: t(`compass-${compass(angle)}`) });
  return (
    <figure class="sketch" data-testid="sketch">
      <svg viewBox="0 0 160 160" role="img" aria-label={told}>
        <circle class="ring" cx={MIDDLE} cy={MIDDLE} r={RING} />
        <path class="north" d="M80 4l7 16-7-4-7 4z" />
        <text x="94" y="18">
          {t("compass-n")}
        </text>
        <path class="way" d={`M${MIDDLE} ${MIDDLE}L${x} ${y}`} />
        <circle class="me" cx={MIDDLE} cy={MIDDLE} r="7" />
        <path class="goal" d={`M${x} ${y}m-9 -9h18v18h-18z`} />
      </svg>
      <figcaption>
        <strong class="number">{distance(metres)}</strong>
        <span>{t("sketch-direction", { direction: t(`compass-${compass(angle)}`) })}</span>
        <span class="quiet">{t("sketch-key")}</span>
      </figcaption>
    </figure>
  );
}
