// A crew member who never stops: looks at the screen and does what comes next, as often as the page lets it. Runs inside the page,
// so that a kill finds the app in the middle of things and not between two requests of a driver. Knows screens by data-screen and
// buttons by data-testid, like tests/web/phone.py; what it cannot place it leaves by way of Today.
//
//   walk(seed, { pin, everyMs })   begins; tells window.tapped(what) of every tap and window.moved(address) of every move
{
  let random = Math.random;
  let pin = "";
  let told = "";

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (testid, root = document) => root.querySelector(`[data-testid='${testid}']`);
  const chance = (share) => random() < share;
  const anyOf = (list) => list[Math.floor(random() * list.length)];

  /** The same numbers for the same seed (mulberry32). */
  function seeded(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }

  function tap(element, what) {
    if (!element || element.getAttribute("aria-busy") === "true" || element.getAttribute("aria-disabled") === "true") return false;
    window.tapped?.(what ?? element.dataset.testid ?? element.textContent.trim());
    element.click();
    return true;
  }

  function press(keys) {
    for (const key of keys) document.querySelector(`.keypad [data-key='${key}']`)?.click();
    return true;
  }

  function write(testid, text) {
    const field = one(testid);
    if (!field) return false;
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    return true;
  }

  const goTo = (address) => { location.hash = address; };
  const ticketHere = () => location.hash.split("/")[2] ?? "";
  const dock = () => document.querySelector("[data-primary]");

  const STEPS = {
    tick: () => tap(one("tick") ?? one("onward")),
    number: () => { press("back back back back".split(" ")); press(`2${Math.floor(random() * 4)}${Math.floor(random() * 10)}`); return tap(one("save")); },
    photo: () => document.querySelector(".finder[data-state=running]") ? tap(one("shutter")) : tap(one("go-on")),
    choice: () => tap(anyOf(all(".choice-row"))),
    choices: () => { for (const box of all(".step input[type=checkbox]")) if (!box.checked) box.click(); return tap(one("save")); },
    text: () => write("text", `记录 ${Math.floor(random() * 1e6)}`) && tap(one("save")),
    note: () => tap(one("onward")),
    scan: () => tap(one("pass")),
    signature: () => tap(one("pass")),
  };

  function guide() {
    if (one("camera-keep")) return tap(one("camera-keep"));
    const step = document.querySelector(".step");
    if (!step) return false;
    if (step.dataset.step !== "~finish") return STEPS[step.dataset.type]?.() ?? false;
    return tap(one("finish-confirm") ?? one("hand-over") ?? one("first-missing") ?? one("finish"));
  }

  /** One key a look, as a finger does it. */
  function unlock() {
    const key = pin[all(".dot.full").length];
    return key !== undefined && press(key);
  }

  function customer() {
    if (one("pin-lock")) return unlock();
    if (one("hand-back")) return tap(one("hand-back"));
    if (one("still-here")) return tap(one("still-here"));
    const level = anyOf(all("[data-level] input"));
    if (!level) return false;
    level.click();
    return tap(one("send"));
  }

  function note() {
    return write("note-text", `第 ${Math.floor(random() * 1e6)} 条备注：电表箱在楼道里。`) && tap(one("note-save"));
  }

  const SCREENS = {
    today: () => tap(document.querySelector("[data-testid=next] [data-primary]")) || (one("nothing") ? false : tap(one("do-rate"))),
    ticket: () => tap(dock()),
    arrive: () => (chance(0.1) ? goTo(`#/ticket/${ticketHere()}/note`) : tap(dock())),
    guide: () => (chance(0.03) ? goTo(`#/ticket/${ticketHere()}/note`) : guide()),
    "hand-over": () => tap(one("on-this-phone") ?? dock()),
    customer,
    done: () => tap(one("next-job")),
    note,
    start: () => tap(one("start-shift")),
  };

  function look() {
    if (location.hash !== told) {
      told = location.hash;
      window.moved?.(told);
    }
    const screen = all("main[data-screen]").at(-1)?.dataset.screen;
    if (!screen || screen === "loading") return;
    if (SCREENS[screen]) SCREENS[screen]();
    else goTo("#/today");
  }

  window.walk = (seed, how) => {
    random = seeded(seed);
    pin = how.pin;
    setInterval(look, how.everyMs);
  };
}
