// A question in front of the screen: the browser's own modal dialog, so focus stays inside and Escape leaves.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

export function Sheet({
  title,
  children,
  onClose,
  testid,
}: {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  testid?: string;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog class="sheet" ref={dialog} aria-labelledby={id} onClose={onClose} data-testid={testid}>
      <div class="inner">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}
