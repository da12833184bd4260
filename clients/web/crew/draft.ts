// A form half filled in when the phone died, kept by the phone itself, so nobody types anything twice.

import { useEffect, useRef, useState } from "preact/hooks";
import { report, usePhone } from "./session";

interface Draft<T> {
  value: T;
  set: (change: Partial<T>) => void;
  clear: () => Promise<void>;
  ready: boolean;
}

/** The form of this name with what was typed so far. `clear` once it is saved. */
export function useDraft<T extends object>(name: string, empty: T): Draft<T> {
  const phone = usePhone();
  const [value, setValue] = useState(empty);
  const [ready, setReady] = useState(false);
  const touched = useRef(false);
  const key = `draft:${name}`;
  useEffect(() => {
    const take = (kept: T | undefined) => {
      if (kept && !touched.current) setValue({ ...empty, ...kept });
      setReady(true);
    };
    phone.recall<T>(key).then(take, report);
  }, [key]);
  const set = (change: Partial<T>) => {
    touched.current = true;
    setValue((before) => {
      const next = { ...before, ...change };
      void phone.remember(key, next).catch(report);
      return next;
    });
  };
  return { value, set, ready, clear: () => phone.remember(key, undefined) };
}
