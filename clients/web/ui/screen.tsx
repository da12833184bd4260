// The frame of every screen: header, main, and a dock at the bottom with the one primary action and the tabs.
// It knows where things stand, not what they say.

import type { ComponentChildren } from "preact";

export interface ScreenProps {
  /** Name of the screen, for tests and for style: `data-screen` on main. */
  name: string;
  title: ComponentChildren;
  /** Left of the title: the road back. */
  back?: ComponentChildren;
  /** Right of the title: status and language. */
  tools?: ComponentChildren;
  children: ComponentChildren;
  /** The one primary action, full width at the bottom; what else stands beside it is of lesser look. */
  primary?: ComponentChildren;
  tabs?: ComponentChildren;
}

export function Screen({ name, title, back, tools, children, primary, tabs }: ScreenProps) {
  return (
    <div class={back ? "screen" : "screen root"}>
      <header>
        {back}
        <div class="names">
          <h1 tabIndex={-1}>{title}</h1>
        </div>
        {tools}
      </header>
      {/* In the order of keys, because only main scrolls. */}
      <main data-screen={name} tabIndex={0}>
        {children}
      </main>
      {(primary || tabs) && (
        <footer class="dock">
          {primary && <div class="do">{primary}</div>}
          {tabs}
        </footer>
      )}
    </div>
  );
}
