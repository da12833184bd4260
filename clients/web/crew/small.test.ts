// The small pure pieces of the crew app: codes, distances, addresses of screens, spans of time, sums of points.

import { beforeAll, describe, expect, it } from "vitest";
import type { Points, TicketView } from "../core/types";
import { codeIn, codeOf, inGroups } from "./code";
import { distance, span } from "./format";
import { bars, bearing, compass, isFar, metresBetween } from "./geo";
import { byMonth, entriesOf, sumOf } from "./ledger";
import { parse, to } from "./router";
import { setLanguage } from "./words";

beforeAll(() => setLanguage("en"));

describe("a code", () => {
  it.each(["7K3QM-D09XT", "7k3qm d09xt", " 7K3QMDO9XT ", "7k3qm–d09xt"])("typed as %j is the same code", (typed) => {
    expect(codeOf(typed)).toBe("7K3QMD09XT");
  });

  it("reads I and L as 1, as the server does", () => expect(codeOf("iL1oO0")).toBe("111000"));
  it("is read back in two groups", () => expect(inGroups("7k3qmd09xt")).toBe("7K3QM-D09XT"));
  it("comes out of the link", () => expect(codeIn("#enrol=7K3QM-D09XT")).toBe("7K3QM-D09XT"));
  it("is not invented from another address", () => expect(codeIn("#/today") + codeIn("") + codeIn("#enrol=%E0%A4%A")).toBe(""));
});

describe("on the ground", () => {
  const station = { lat: 27.928, lon: 116.365 };

  it("a thousandth of a degree north is 111 metres", () => {
    const metres = metresBetween(station, { lat: 27.929, lon: 116.365 });
    expect(metres).toBeGreaterThan(110);
    expect(metres).toBeLessThan(112);
  });

  it.each([
    [0.001, 0, "n"],
    [0, 0.001, "e"],
    [-0.001, 0, "s"],
    [0, -0.001, "w"],
    [0.001, 0.0011, "ne"],
  ] as const)("going %d, %d is %s", (lat, lon, name) => {
    expect(compass(bearing(station, { lat: station.lat + lat, lon: station.lon + lon }))).toBe(name);
  });

  it("far is only what no error of either position explains", () => {
    expect(isFar(301)).toBe(true);
    expect(isFar(301, 20)).toBe(false);
    expect(isFar(500, 100, 150)).toBe(false);
    expect(isFar(560, 100, 150)).toBe(true);
  });

  it("bars fall with accuracy", () => expect([8, 25, 80, 500, undefined].map(bars)).toEqual([4, 3, 2, 1, 1]));
  it("distances are told as people tell them", () =>
    expect([41.6, 2130, 26_400].map(distance)).toEqual(["42 m", "2.1 km", "26 km"]));
});

describe("an address", () => {
  it("goes to a step of a guide and back", () => {
    expect(parse(to("ticket", "0199-x", "guide", "before"))).toEqual({ screen: "guide", ticket: "0199-x", step: "before" });
  });

  it("of the rating is the customer's screen", () =>
    expect(parse("#/ticket/T/rate")).toEqual({ screen: "customer", ticket: "T" }));
  it("of a ticket's unknown part is the ticket", () =>
    expect(parse("#/ticket/T/nonsense")).toEqual({ screen: "ticket", ticket: "T" }));
  it.each(["", "#", "#/", "#/nonsense", "#enrol=7K3QM-D09XT", "#/%E0%A4%A"])("of %j is Today", (hash) =>
    expect(parse(hash).screen).toBe("today"),
  );
});

describe("a span", () => {
  it.each([
    [0, "0:00"],
    [-5, "0:00"],
    [760_000, "12:40"],
    [3_599_999, "59:59"],
    [11_100_000, "3 h 05"],
    [3 * 86_400_000, "3 days"],
  ])("of %d ms is %s", (ms, told) => {
    expect(span(ms)).toBe(told);
  });
});

describe("points", () => {
  const views = [
    {
      id: "t1",
      state: "archived",
      visits: { v1: { members: [], finished: { at: 1_700_000_000_000, fact: "f", by: "member:m1" } } },
    },
  ] as TicketView[];
  const row = (id: string, milli: number, kind: string, ticket = "t1") =>
    ({ id, content: { kind, ticket, visit: "v1", milli } }) as Points;

  it("that were taken back add up to nothing", () => {
    expect(sumOf(entriesOf([row("a", 1234, "provisional"), row("b", -1234, "reversal")], views))).toBe(0);
  });

  it("come with the server's sentences", () => {
    const told = { ...row("b", 1, "provisional"), explained: { zh: ["甲", "乙"], en: ["A", "B"] } };
    expect(entriesOf([told], views).map((entry) => entry.reasons.en)).toEqual([["A", "B"]]);
    expect(entriesOf([row("c", 1, "held")], views)[0]!.reasons.zh).toEqual([]);
  });

  it("have the day the work was finished, and none when the ticket is gone", () => {
    const entries = entriesOf([row("a", 1000, "provisional"), row("b", 500, "provisional", "gone")], views);
    expect(entries.map((entry) => entry.at)).toEqual([1_700_000_000_000, undefined]);
    expect([...byMonth(entries, (entry) => (entry.at ? "a month" : "earlier")).keys()]).toEqual(["a month", "earlier"]);
  });
});
