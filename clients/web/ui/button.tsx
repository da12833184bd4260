// Everything that is pressed. A button that waits for the disk stays where it is and says so; it is never greyed out.

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Icon } from "./icon";

export interface ButtonProps {
  children: ComponentChildren;
  /** May return a promise; a second press while it runs is ignored, so a double tap records once. */
  onPress?: () => unknown;
  icon?: string;
  look?: "primary" | "danger" | "plain" | undefined;
  wide?: boolean;
  type?: "button" | "submit";
  testid?: string | undefined;
  label?: string;
}

export function Button({ children, onPress, icon, look, wide, type = "button", testid, label }: ButtonProps) {
  const { busy, press } = usePress(onPress);
  // The second tap of a double tap would press the next step's button, which by then stands in the same place.
  const pressed = (event: MouseEvent) => {
    if (look !== "primary" || event.detail < 2) press();
  };
  return (
    <button
      type={type}
      class={`button ${look ?? ""} ${wide ? "wide" : ""}`}
      aria-busy={busy}
      aria-label={label}
      onClick={pressed}
      data-primary={look === "primary" ? "" : undefined}
      data-testid={testid}
    >
      {icon && <Icon of={icon} />}
      <span>{children}</span>
    </button>
  );
}

/** A press that runs once at a time. */
export function usePress(onPress: (() => unknown) | undefined): { busy: boolean; press: () => void } {
  const running = useRef(false);
  const [busy, setBusy] = useState(false);
  const press = () => {
    if (running.current || !onPress) return;
    const result = onPress();
    if (!(result instanceof Promise)) return;
    running.current = true;
    setBusy(true);
    void result.finally(() => {
      running.current = false;
      setBusy(false);
    });
  };
  return { busy, press };
}

export interface LinkProps {
  href: string;
  children: ComponentChildren;
  icon?: string;
  look?: ButtonProps["look"];
  wide?: boolean;
  testid?: string;
}

/** A road to another screen or another app that looks like a button. */
export function LinkButton({ href, children, icon, look, wide, testid }: LinkProps) {
  return (
    <a
      class={`button ${look ?? ""} ${wide ? "wide" : ""}`}
      href={href}
      data-testid={testid}
      data-primary={look === "primary" ? "" : undefined}
    >
      {icon && <Icon of={icon} />}
      <span>{children}</span>
    </a>
  );
}

/** One row of a list of doors: where it leads, and a word on what is behind it. */
export function Door({
  href,
  icon,
  children,
  aside,
  testid,
}: {
  href: string;
  icon: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
  testid?: string;
}) {
  return (
    <a class="door" href={href} data-testid={testid}>
      <Icon of={icon} />
      <span class="grow">{children}</span>
      {aside}
    </a>
  );
}
