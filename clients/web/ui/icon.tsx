// A Lucide drawing (ISC) beside a word. An icon never stands alone, so it is always hidden from readers of the screen.

/** `of` is the text of a drawing, imported as `lucide-static/icons/NAME.svg?raw`. */
export function Icon({ of, class: extra = "" }: { of: string; class?: string }) {
  return <span class={`icon ${extra}`} aria-hidden="true" dangerouslySetInnerHTML={{ __html: drawing(of) }} />;
}

const drawings = new Map<string, string>();

/** The drawing without its licence line (named in the credits) and with thick strokes that survive the sun. */
function drawing(raw: string): string {
  const known = drawings.get(raw);
  if (known) return known;
  const made = raw.slice(raw.indexOf("<svg")).replace('stroke-width="2"', 'stroke-width="2.25"');
  drawings.set(raw, made);
  return made;
}
