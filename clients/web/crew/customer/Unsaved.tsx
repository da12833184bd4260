// The answer could not be written. It is still here, and the screen says so and offers again; nothing is called saved.

import again from "lucide-static/icons/rotate-ccw.svg?raw";
import sync from "lucide-static/icons/cloud-upload.svg?raw";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { useLive, usePhone } from "../session";
import { sentences, t, word } from "../words";
import { Frame, LockButton } from "./CustomerMode";
import type { Held } from "./held";
import type { Event, Mode } from "./mode";
import { OwnPhone } from "./OwnPhone";

export function Unsaved({ mode, held, tell }: { mode: Mode & { at: "unsaved" }; held: Held; tell: (event: Event) => void }) {
  const phone = usePhone();
  const view = useLive((opened) => opened.ticket(held.ticket), [held.ticket]);
  const noKey = mode.slug === "no-rating-key";
  const syncAndRetry = async () => {
    await phone.sync("rating-key");
    tell({ type: "retry" });
  };
  const retry = noKey
    ? <Button look="primary" icon={sync} onPress={syncAndRetry} testid="retry">{t("rating-sync")}</Button>
    : <Button look="primary" icon={again} onPress={() => tell({ type: "retry" })} testid="retry">{t("try-again")}</Button>;
  return (
    <Frame title={t("rating-unsaved")} primary={retry}>
      <Banner tone="danger" live="now" code={mode.slug} testid="unsaved">
        {noKey ? t("rating-unsaved-key") : sentences(t("rating-unsaved-word"), word("fault", mode.slug))}
      </Banner>
      {view && <OwnPhone view={view} />}
      <LockButton tell={tell} />
    </Frame>
  );
}
