// Ghost outlines over the viewfinder: what should stand where in the picture. Drawn over the video, never into the photo.

const DRAWING: Record<string, string> = {
  meter: "M60 60h180v230a30 30 0 0 1-30 30H90a30 30 0 0 1-30-30zM90 95h120v60H90zM110 190h80M110 220h80M100 320v40M150 320v40"
    + "M200 320v40",
  cabinet: "M50 40h200v320H50zM150 40v320M132 190v30M168 190v30M75 75h50M75 95h50M175 75h50M175 95h50",
  line: "M150 40v330M90 80h120M110 120h80M90 70v10M210 70v10M10 60c40 20 60 20 80 12M290 60c-40 20-60 20-80 12",
  document: "M65 40h130l40 40v280H65zM195 40v40h40M95 130h110M95 170h110M95 210h110M95 250h70",
  generic: "M40 110V50h60M200 50h60v60M260 290v60h-60M100 350H40v-60M150 180v40M130 200h40",
};
/** The outline for what a photo shows; the words before and after say nothing of the thing itself. */
const OF_SHOWS: Record<string, string> = { meter: "meter", document: "document" };

/** The outline for a step: by what it shows, else by the words in its name. */
export function outlineOf(shows: string | undefined, step: string | undefined): string {
  const known = OF_SHOWS[shows ?? ""];
  if (known) return known;
  const name = step ?? "";
  if (/meter|reading/.test(name)) return "meter";
  if (/cabinet|box|fuse|breaker|panel/.test(name)) return "cabinet";
  return /line|pole|wire|conductor/.test(name) ? "line" : "generic";
}

/** `frame` is the size of the video, so that the outline stands in the picture and not in the bars beside it. */
export function Outline({ of: name, frame: [width, height] }: { of: string; frame: readonly [number, number] }) {
  return (
    <svg class="ghost" viewBox={`0 0 ${width} ${height}`} aria-hidden="true" focusable="false" data-outline={name}>
      <svg x={width * 0.06} y={height * 0.06} width={width * 0.88} height={height * 0.88} viewBox="0 0 300 400">
        <path class="under" d={DRAWING[name]} />
        <path d={DRAWING[name]} />
      </svg>
    </svg>
  );
}
