// The darkroom: decodes, judges and re-encodes photos beside the page, so that the shutter never stutters.

import { develop, type Easel, type Exposure } from "./forms";

declare const self: DedicatedWorkerGlobalScope;

function easel(width: number, height: number): Easel {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new Error("no canvas");
  return { context, jpeg: (quality) => canvas.convertToBlob({ type: "image/jpeg", quality }) };
}

self.onmessage = async (event: MessageEvent<{ id: number; exposure: Exposure }>) => {
  const { id, exposure } = event.data;
  try {
    self.postMessage({ id, developed: await develop(exposure, easel) });
  } catch (error) {
    self.postMessage({ id, fault: String(error) });
  }
};
