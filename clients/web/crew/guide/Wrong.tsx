// What is wrong with an entry, in one sentence, right where the finger is.

import alert from "lucide-static/icons/octagon-alert.svg?raw";
import { Icon } from "../../ui/icon";

export function Wrong({ text }: { text: string | null | undefined | false }) {
  return text ? <p class="fault" role="alert" data-testid="wrong"><Icon of={alert} /><span>{text}</span></p> : null;
}
