// Before anything else: what this browser or this address lacks, in both languages at once, and how to get it.

import { Banner } from "../ui/banner";
import { Screen } from "../ui/screen";
import type { Lang } from "../core/types";
import { say } from "./words";
import type { Lack } from "./world";

export function Floor({ missing }: { missing: Lack[] }) {
  return (
    <Screen name="floor" title={`${say("zh", "app-name")} ${say("en", "app-name")}`}>
      <In lang="zh" missing={missing} />
      <In lang="en" missing={missing} />
    </Screen>
  );
}

function In({ lang, missing }: { lang: Lang; missing: Lack[] }) {
  const insecure = missing.includes("secure");
  return (
    <section class="stack" lang={lang === "zh" ? "zh-CN" : "en"}>
      <Banner tone="look">
        <h2>{say(lang, "floor-title")}</h2>
        <p>{say(lang, insecure ? "floor-insecure" : "floor-old", { address: location.origin })}</p>
      </Banner>
      <ul class="stack" data-testid={`floor-${lang}`}>
        {missing.map((lack) => (
          <li key={lack} data-lack={lack}>{`· ${say(lang, `lack-${lack}`)}`}</li>
        ))}
      </ul>
      {insecure ? <Secure lang={lang} /> : <p>{say(lang, "floor-browsers")}</p>}
    </section>
  );
}

function Secure({ lang }: { lang: Lang }) {
  return (
    <>
      <h3>{say(lang, "floor-how")}</h3>
      <ul class="stack">
        <li>
          {say(lang, "floor-tls")}
          <br />
          <code class="code">lamplighter serve --tls-cert cert.pem --tls-key key.pem</code>
        </li>
        <li>
          {say(lang, "floor-adb", { port: location.port || "80" })}
          <br />
          <code class="code">
            adb reverse tcp:{location.port || "80"} tcp:{location.port || "80"}
          </code>
        </li>
      </ul>
    </>
  );
}
