// Reads a code out of the running viewfinder: by the browser's own detector where there is one, else QR codes by jsQR, which
// is fetched only then. Typing is always possible beside it.

/** How often a frame is looked at. */
const EVERY_MS = 250;
/** Longest side of a frame for jsQR; enough for a label held before the camera. */
const FRAME_PX = 720;

type Look = (video: HTMLVideoElement) => Promise<string | null>;
interface Detector { detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]> }
declare const BarcodeDetector: (new () => Detector) | undefined;

/** Tell every code that comes into view, until the returned function is called. */
export function readCodes(video: HTMLVideoElement, found: (text: string) => void): () => void {
  let wanted = true;
  const look = looker();
  const again = async () => {
    const text = video.readyState >= video.HAVE_CURRENT_DATA ? await look(video).catch(() => null) : null;
    if (!wanted) return;
    if (text) found(text);
    setTimeout(() => void again(), EVERY_MS);
  };
  void again();
  return () => {
    wanted = false;
  };
}

function looker(): Look {
  const native = typeof BarcodeDetector === "undefined" ? null : nativeLook();
  const drawn = drawnLook();
  let works = native !== null;
  return async (video) => {
    if (!works) return drawn(video);
    try {
      return await native!(video);
    } catch {
      works = false; // some systems offer the detector without the service behind it
      return drawn(video);
    }
  };
}

function nativeLook(): Look {
  const detector = new BarcodeDetector!();
  return async (video) => (await detector.detect(video))[0]?.rawValue || null;
}

function drawnLook(): Look {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return async (video) => {
    const { default: jsQR } = await import("jsqr");
    const scale = Math.min(1, FRAME_PX / Math.max(video.videoWidth, video.videoHeight, 1));
    const [width, height] = [Math.floor(video.videoWidth * scale), Math.floor(video.videoHeight * scale)];
    if (!context || !width || !height) return null;
    Object.assign(canvas, { width, height });
    context.drawImage(video, 0, 0, width, height);
    return jsQR(context.getImageData(0, 0, width, height).data, width, height)?.data || null;
  };
}
