// A QR code as a picture of rectangles: made on the phone, so it works without a network.

import { encode } from "uqr";

export function Qr({ text, label }: { text: string; label: string }) {
  const { size, data } = encode(text, { ecc: "M", border: 4 });
  const dark = data.flatMap((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : "")));
  return (
    <svg
      class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges"
      data-testid="qr" data-text={text}
    >
      <rect class="light" width={size} height={size} />
      <path class="dark" d={dark.join("")} />
    </svg>
  );
}
