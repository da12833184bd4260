// A job that is paused says so wherever it is worked on, with the one button that goes on.

import play from "lucide-static/icons/play.svg?raw";
import type { TicketView } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Button } from "../../ui/button";
import { record } from "../session";
import { t } from "../words";

export function Suspended({ view }: { view: TicketView }) {
  if (view.state !== "suspended") return null;
  const resume = () => record((phone) => phone.resume(view.id));
  const goOn = <Button icon={play} onPress={resume} testid="resume">{t("pause-resume")}</Button>;
  return <Banner tone="look" testid="suspended" action={goOn}>{t("pause-is-suspended")}</Banner>;
}
