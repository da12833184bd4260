// What a crew does next, read from the ticket as the phone shows it.

import { describe, expect, it } from "vitest";
import type { TicketView, Visit } from "../core/types";
import { isDriving, nextOf, openLimit, ordered, type Job } from "./next";

const at = (ms: number) => ({ at: ms, fact: `f${ms}`, by: "member:m1" });
const view = (fields: Partial<TicketView> = {}): TicketView => ({ id: "t1", state: "dispatched", ...fields });
const visit = (fields: Partial<Visit> = {}): Visit => ({ members: ["member:m1"], ...fields });
const limit = (name: string, due: number, verdict: string | null = null) => ({
  name,
  amount: 45,
  unit: "min" as const,
  due: [due, due + 1] as [number, number],
  verdict,
});
const job = (fields: Partial<TicketView>, own: Visit | null = null): Job => {
  const whole = view(fields);
  return { view: whole, visit: own, next: nextOf(whole, own), limit: openLimit(whole, own) };
};

describe("the next step", () => {
  it("goes from accepting to rating, one at a time", () => {
    const own = visit();
    const steps = [nextOf(view(), null)];
    for (const done of ["accepted", "departed", "arrived", "started", "finished"] as const) {
      own[done] = at(1);
      steps.push(nextOf(view({ state: done === "finished" ? "completed" : "accepted" }), own));
    }
    expect(steps).toEqual(["accept", "depart", "arrive", "start", "work", "rate"]);
  });

  it("is nothing after the rating", () => {
    expect(nextOf(view({ state: "completed" }), visit({ finished: at(1), rating: at(2) }))).toBe("none");
  });

  it("is nothing once the customer answered on a phone of their own", () => {
    const rated = view({ id: "t1", fence: 2, state: "completed", own_ratings: { "t1:2": {} } });
    expect(nextOf(rated, visit({ finished: at(1) }))).toBe("none");
    expect(nextOf({ ...rated, fence: 3 }, visit({ finished: at(1) }))).toBe("rate");
  });

  it("is the rating also when HQ moved the ticket on meanwhile", () => {
    expect(nextOf(view({ state: "callback" }), visit({ finished: at(1) }))).toBe("rate");
  });

  it("begins anew when the ticket comes back for rework", () => {
    expect(nextOf(view({ state: "reopened" }), visit({ finished: at(1), rating: at(2) }))).toBe("accept");
  });

  it("is to resume a job that waits", () => {
    expect(nextOf(view({ state: "suspended" }), visit({ accepted: at(1), started: at(2) }))).toBe("resume");
  });

  it.each(["cancelled", "merged", "returned", "archived"] as const)("is nothing on a ticket that is %s", (state) => {
    expect(nextOf(view({ state }), visit({ accepted: at(1) }))).toBe("none");
  });

  it("is nothing where another crew has handled it", () => {
    expect(nextOf(view({ handled: { crew: "A", at: 5 } }), null)).toBe("none");
  });
});

describe("the limit that counts down", () => {
  it("is the arrival until there was one, whatever is due before", () => {
    const limits = [limit("to_crew", 1), limit("accept", 5), limit("arrive", 50), limit("callback", 2)];
    expect(openLimit(view({ limits }), null)?.name).toBe("arrive");
  });

  it("is what is due next after the arrival", () => {
    const limits = [limit("arrive", 50), limit("complete", 90)];
    expect(openLimit(view({ limits }), visit({ accepted: at(1), arrived: at(2) }))?.name).toBe("complete");
  });

  it("is none once every limit is judged", () => {
    expect(openLimit(view({ limits: [limit("arrive", 50, "met_proven")] }), null)).toBeNull();
  });

  it("is silent on the road and nowhere else", () => {
    expect(isDriving(visit({ accepted: at(1) }))).toBe(false);
    expect(isDriving(visit({ accepted: at(1), departed: at(2) }))).toBe(true);
    expect(isDriving(visit({ accepted: at(1), departed: at(2), arrived: at(3) }))).toBe(false);
  });
});

describe("the order of the day", () => {
  it("puts what is under way before what is due, and what waits for others last", () => {
    const jobs = [
      job({ id: "later", limits: [limit("arrive", 900)] }),
      job({ id: "waits", state: "suspended", limits: [limit("arrive", 1)] }, visit({ started: at(1) })),
      job({ id: "sooner", limits: [limit("arrive", 100)] }),
      job({ id: "begun" }, visit({ accepted: at(1), departed: at(2), arrived: at(3) })),
      job({ id: "unrated", state: "completed" }, visit({ finished: at(4) })),
      job({ id: "done", state: "archived" }, visit({ finished: at(4), rating: at(5) })),
    ];
    const { open, done } = ordered(jobs);
    expect(open.map((one) => one.view.id)).toEqual(["begun", "sooner", "later", "waits", "unrated"]);
    expect(done.map((one) => one.view.id)).toEqual(["done"]);
  });

  it("breaks a tie by priority", () => {
    const { open } = ordered([job({ id: "p3", priority: 3 }), job({ id: "p1", priority: 1 })]);
    expect(open.map((one) => one.view.id)).toEqual(["p1", "p3"]);
  });
});
