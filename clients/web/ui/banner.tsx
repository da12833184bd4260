// One plain sentence that stands out, with at most one button. The tone has a drawing as well as a colour:
// ok, offline (violet), look (amber: look here), danger (only where something may be lost).

import danger from "lucide-static/icons/octagon-alert.svg?raw";
import info from "lucide-static/icons/info.svg?raw";
import look from "lucide-static/icons/triangle-alert.svg?raw";
import offline from "lucide-static/icons/cloud-off.svg?raw";
import ok from "lucide-static/icons/circle-check.svg?raw";
import type { ComponentChildren } from "preact";
import { Icon } from "./icon";

export type Tone = "ok" | "offline" | "look" | "danger" | "plain";

const DRAWING: Record<Tone, string> = { ok, offline, look, danger, plain: info };

interface BannerProps {
  tone?: Tone;
  children: ComponentChildren;
  action?: ComponentChildren;
  /** Small print at the bottom: the code a person reads to the office over the phone. */
  code?: string | undefined;
  /** Read aloud when it appears; `now` interrupts. */
  live?: "soon" | "now";
  testid?: string;
}

export function Banner({ tone = "plain", children, action, code, live, testid }: BannerProps) {
  const role = live === "now" ? "alert" : live === "soon" ? "status" : undefined;
  return (
    <div class={`banner ${tone}`} role={role} data-testid={testid}>
      <Icon of={DRAWING[tone]} />
      <div class="body">
        <div>{children}</div>
        {action}
        {code && <p class="code">{code}</p>}
      </div>
    </div>
  );
}
