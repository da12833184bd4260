// A code read by the camera or typed: it stands in the field first, and one tap saves it. When the ticket names the meter,
// it says whether this is the one.

import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { sentences, t } from "../words";
import { readCodes } from "./reader";
import { useViewfinder } from "./useViewfinder";

interface ScanProps {
  /** The number on the ticket, when a code that differs is worth a word. */
  expected?: string | undefined;
  /** What is wrong with the code that was to be saved. */
  wrong: string | null;
  onSave: (code: string) => unknown;
}

export function useScan({ expected, wrong, onSave }: ScanProps): { finder: ComponentChildren; controls: ComponentChildren } {
  const { view, trouble } = useViewfinder();
  const video = useRef<HTMLVideoElement>(null);
  const [code, setCode] = useState("");
  const [read, setRead] = useState<string | null>(null);
  useEffect(() => {
    const element = video.current;
    if (!view || !element) return;
    element.srcObject = view.stream;
    return readCodes(element, (text) => {
      setRead(text);
      setCode(text);
    });
  }, [view]);
  const text = code.trim();
  return {
    finder: (
      <>
        {trouble && (
          <Banner tone="look" live="soon" testid="camera-trouble">
            {sentences(t(`camera-trouble-${trouble}`), t("scan-type-instead"))}
          </Banner>
        )}
        {!trouble && (
          <div class="finder scanning" data-state={view ? "running" : "opening"}>
            <video ref={video} autoplay playsinline muted aria-label={t("scan-view")} />
            <p class="finder-word" role="status" data-testid="scan-read">
              {read ? t("scan-found", { code: read }) : t("scan-look")}
            </p>
          </div>
        )}
        {expected && text && <Match same={text === expected} expected={expected} />}
        <Field
          kind="code" label={t("scan-code")} value={code} onInput={setCode} maxLength={200} fault={wrong ?? undefined}
          testid="scan-code"
        />
      </>
    ),
    controls: (
      <Button look="primary" onPress={() => onSave(text)} testid="save">
        {text ? t("scan-save", { code: text }) : t("guide-save")}
      </Button>
    ),
  };
}

function Match({ same, expected }: { same: boolean; expected: string }) {
  return (
    <Banner tone={same ? "ok" : "look"} live="soon" testid="scan-match">
      {t(same ? "scan-matches" : "scan-differs", { expected })}
    </Banner>
  );
}
