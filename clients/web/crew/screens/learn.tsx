// Learn 学习: the guides on this phone, to read without signal. Lessons are not built yet, and the screen says so.

import book from "lucide-static/icons/book-open.svg?raw";
import type { Guide } from "../../core/types";
import { Banner } from "../../ui/banner";
import { Door } from "../../ui/button";
import type { ScreenProps } from "../app";
import { Page } from "../page";
import { to } from "../router";
import { useLive } from "../session";
import { both, t, word } from "../words";

export default function Learn({ step }: ScreenProps) {
  const guides = useLive((phone) => phone.guides());
  const chosen = step ? guides?.find((guide) => nameOf(guide) === step) : undefined;
  if (chosen) return <One guide={chosen} />;
  const current = guides?.filter((guide) => !guide.superseded) ?? [];
  return (
    <Page name="learn" title={t("tab-learn")}>
      <h2>{t("learn-guides")}</h2>
      {guides && current.length === 0 && <Banner tone="plain">{t("learn-none")}</Banner>}
      <ul class="doors" hidden={current.length === 0}>
        {current.map((guide) => (
          <li key={nameOf(guide)}>
            <Door href={to("learn", nameOf(guide))} icon={book} testid="guide">
              {both(guide.title)}
              <br />
              <span class="quiet">{t("learn-steps", { count: guide.steps.length, version: guide.version })}</span>
            </Door>
          </li>
        ))}
      </ul>
      <p class="quiet">{t("learn-later")}</p>
    </Page>
  );
}

function One({ guide }: { guide: Guide }) {
  return (
    <Page name="learn" title={both(guide.title)} back={to("learn")}>
      <p class="quiet">
        {t("learn-for", {
          kinds: guide.kinds.map((kind) => word("kind", kind)).join(t("list-comma")) || t("learn-any"),
          version: guide.version,
        })}
      </p>
      <ol class="lesson" data-testid="lesson">
        {guide.steps.map((step) => (
          <li key={step.id}>
            <p>
              <strong>{both(step.label)}</strong>
              {step.safety && <span class="chip look">{t("learn-safety")}</span>}
            </p>
            {step.hint && <p class="quiet">{both(step.hint)}</p>}
            {step.normal && (
              <p class="quiet">
                {t("learn-normal", { low: String(step.normal[0]), high: String(step.normal[1]), unit: step.unit ?? "" })}
              </p>
            )}
          </li>
        ))}
      </ol>
    </Page>
  );
}

function nameOf(guide: Guide): string {
  return `${guide.guide}:${guide.version}`;
}
