// A signature by finger on white paper, stored as a picture with its step. The pen is fetched only when one is wanted.

import eraser from "lucide-static/icons/eraser.svg?raw";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Saved } from "../../core/types";
import { Button } from "../../ui/button";
import { record, report } from "../session";
import { t } from "../words";
import { Wrong } from "./Wrong";

interface Pen { isEmpty(): boolean; clear(): void; off(): void }
interface SignatureProps { ticket: string; step?: string; onDone: (saved: Saved) => unknown }

interface Signature { paper: ComponentChildren; controls: ComponentChildren }

export function useSignature({ ticket, step, onDone }: SignatureProps): Signature {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pen = useRef<Pen | null>(null);
  const [wrong, setWrong] = useState(false);
  useEffect(() => {
    let wanted = true;
    void penOn(canvas.current!).then((made) => {
      if (wanted) pen.current = made;
      else made.off();
    }, report);
    return () => {
      wanted = false;
      pen.current?.off();
    };
  }, []);
  const clear = () => {
    pen.current?.clear();
    setWrong(false);
  };
  const save = async () => {
    if (!pen.current || pen.current.isEmpty()) return setWrong(true);
    const original = await bytesOf(canvas.current!);
    const about = { ...(step ? { step } : {}), shows: "document" };
    const saved = await record((phone) => phone.photo(ticket, { original, type: "image/png" }, about));
    if (saved) await onDone(saved);
  };
  return {
    paper: (
      <div class="stack">
        <canvas ref={canvas} class="paper" role="img" aria-label={t("signature-paper")} data-testid="paper" />
        <p class="quiet">{t("signature-how")}</p>
      </div>
    ),
    controls: (
      <>
        <Wrong text={wrong && t("signature-empty")} />
        <Button wide icon={eraser} onPress={clear} testid="clear">{t("signature-clear")}</Button>
        <Button look="primary" onPress={save} testid="save">{t("signature-save")}</Button>
      </>
    ),
  };
}

async function penOn(canvas: HTMLCanvasElement): Promise<Pen> {
  const { default: SignaturePad } = await import("signature_pad");
  const density = Math.max(1, window.devicePixelRatio || 1);
  Object.assign(canvas, { width: canvas.clientWidth * density, height: canvas.clientHeight * density });
  canvas.getContext("2d")?.scale(density, density);
  return new SignaturePad(canvas, { penColor: "#0b1520", backgroundColor: "#ffffff", minWidth: 1.2, maxWidth: 3.2 });
}

function bytesOf(canvas: HTMLCanvasElement): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob.arrayBuffer()) : reject(new Error("no picture"))), "image/png");
  });
}
