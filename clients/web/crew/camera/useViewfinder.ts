// The camera runs only while a screen that needs it is visible: it is let go when hidden or left, and opened again on return.

import { useEffect, useState } from "preact/hooks";
import { CameraFault, type CameraTrouble, openViewfinder, type Viewfinder } from "./viewfinder";

export interface Finder { view: Viewfinder | null; trouble: CameraTrouble | null; again: () => void }

export function useViewfinder(): Finder {
  const [view, setView] = useState<Viewfinder | null>(null);
  const [trouble, setTrouble] = useState<CameraTrouble | null>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let open: Viewfinder | null = null;
    let wanted = true;
    const close = () => {
      open?.stop();
      open = null;
      setView(null);
    };
    const start = async () => {
      const made = await openViewfinder();
      if (!wanted || document.hidden || open) return made.stop();
      open = made;
      made.stream.getVideoTracks()[0]?.addEventListener("ended", close);
      setTrouble(null);
      setView(made);
    };
    const follow = () => {
      if (document.hidden) close();
      else if (!open) start().catch((error: unknown) => setTrouble(error instanceof CameraFault ? error.trouble : "absent"));
    };
    document.addEventListener("visibilitychange", follow);
    follow();
    return () => {
      wanted = false;
      document.removeEventListener("visibilitychange", follow);
      close();
    };
  }, [tries]);
  return { view, trouble, again: () => setTries(tries + 1) };
}
