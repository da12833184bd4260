// The rescue file: everything HQ has not stated, carried by hand when no network will, and the reply carried back.

import upload from "lucide-static/icons/upload.svg?raw";
import { useRef, useState } from "preact/hooks";
import { Button } from "../ui/button";
import { attempt } from "./session";
import { t } from "./words";

export function Rescue({ icon, onExported }: { icon: string; onExported?: () => void }) {
  const [told, setTold] = useState<{ id: string; lines?: number; name?: string } | null>(null);
  const file = useRef<HTMLInputElement>(null);
  const give = async () => {
    const bundle = await attempt((phone) => phone.exportBundle());
    if (!bundle) return;
    if (bundle.lines === 0) return setTold({ id: "rescue-nothing" });
    save(bundle.name, bundle.blob);
    setTold({ id: "rescue-written", lines: bundle.lines, name: bundle.name });
    onExported?.();
  };
  const take = async () => {
    const chosen = file.current?.files?.[0];
    if (!chosen) return;
    const bytes = new Uint8Array(await chosen.arrayBuffer());
    const done = await attempt((phone) => phone.importFile(bytes));
    if (done) setTold({ id: done.delivered ? "rescue-delivered" : "rescue-taken", lines: done.lines });
  };
  return (
    <div class="stack">
      <p class="quiet">{t("rescue-why")}</p>
      <div class="tiles">
        <Button icon={icon} onPress={give} testid="rescue-export">
          {t("rescue-export")}
        </Button>
        <Button icon={upload} onPress={() => file.current?.click()} testid="rescue-import">
          {t("rescue-import")}
        </Button>
      </div>
      <input
        ref={file}
        type="file"
        hidden
        aria-label={t("rescue-import")}
        onChange={() => void take()}
        data-testid="rescue-file"
      />
      {told && (
        <p role="status" data-testid="rescue-told">
          {t(told.id, { lines: told.lines ?? 0, name: told.name ?? "" })}
        </p>
      )}
    </div>
  );
}

/** Hand a file to the phone's downloads. */
function save(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
