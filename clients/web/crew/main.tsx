// The start of the crew app: colours and language first, then whether this browser will do, then the phone.

import { render } from "preact";
import { openPhone } from "../core/phone";
import "../ui/tokens.css";
import "../ui/parts.css";
import "./crew.css";
import { App, begin, opened } from "./app";
import { Floor } from "./floor";
import { report } from "./session";
import { setTheme, theme } from "./theme";
import { keepUpToDate } from "./update";
import { language, setLanguage, unpackAll } from "./words";
import { browserWorld, lacks } from "./world";

setTheme(theme.value);
await setLanguage(language.value);

const root = document.getElementById("app")!;
root.replaceChildren();
const missing = lacks();

if (missing.length) {
  await unpackAll();
  render(<Floor missing={missing} />, root);
} else {
  render(<App />, root);
  keepUpToDate();
  try {
    const found = await openPhone(browserWorld());
    if (found.state === "ready") await begin(found.phone);
    else opened.value = found;
    // So that switching the language needs nothing but a tap; what cannot be had now is asked for then.
    void unpackAll().catch(() => undefined);
  } catch (error) {
    report(error);
  }
}
