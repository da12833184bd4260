// Work guides (作业指导卡): which steps are shown, what is offered, what is wrong with an answer, and which step comes next.
//
// Pure. Expressions are prefix lists compiled by the server; docs/guides.md tells every operator. What this version cannot
// evaluate hides nothing and stops nobody. Refuses to know screens, and how answers are stored.

import { matchesWhole } from "./pattern";
import type { AnswerValue, Expression, Guide, Label, Step, TicketView, Visit } from "./types";

/** The answers of one visit by step; what "can't do" or nobody answered is not in it. */
export type Answers = Readonly<Record<string, AnswerValue>>;
export type Choice = Guide["choices"][string][number];

/** What is wrong with an answer. `message` is the guide's own sentence, where it has one. */
export interface Fault { slug: "required" | "not-a-number" | "not-whole" | "not-offered" | "constraint"; message?: Label }

// ---------------------------------------------------------------------------------------------------------- a guide at work

/** Answers, photos and signatures of a visit as expressions and screens see them. */
export function answersOf(visit: Visit | null | undefined): Answers {
  const found: Record<string, AnswerValue> = {};
  for (const photo of visit?.photos ?? []) {
    if (typeof photo["step"] === "string") found[photo["step"]] = String(photo["sha256"]);
  }
  for (const [step, moment] of Object.entries(visit?.answers ?? {})) {
    if (!moment["cannot_reason"] && isAnswer(moment["value"])) found[step] = moment["value"];
  }
  return found;
}

/** The steps to show, in the guide's order. */
export function visibleSteps(guide: Guide, answers: Answers): Step[] {
  return guide.steps.filter((step) => isRelevant(scope(guide, answers), step));
}

/** The choices that a step offers after these answers. */
export function offered(guide: Guide, step: Step, answers: Answers): Choice[] {
  const rows = guide.choices[step.list ?? ""] ?? [];
  return rows.filter((choice) => holds(step.filter, { ...scope(guide, answers), choice }));
}

/** What is wrong with the answer to a step, or null. An empty answer is wrong only where one is required. */
export function fault(guide: Guide, step: Step, value: AnswerValue | undefined, answers: Answers): Fault | null {
  if (value === undefined || isEmpty(step, value)) return step.required && step.type !== "note" ? { slug: "required" } : null;
  if (step.type === "number") {
    const number = typeof value === "number" ? value : NaN;
    if (!Number.isFinite(number)) return { slug: "not-a-number" };
    if (step.integer && !Number.isInteger(number)) return { slug: "not-whole" };
  }
  if (!isOffered(guide, step, value, answers)) return { slug: "not-offered" };
  const self = asOperand(step, value);
  if (holds(step.constraint, { ...scope(guide, answers), self })) return null;
  return { slug: "constraint", ...(step.constraint_message ? { message: step.constraint_message } : {}) };
}

/** Whether a number lies outside what is normal here: worth a second look, never an error. */
export function unusual(step: Step, value: AnswerValue | undefined): boolean {
  return step.normal !== undefined && typeof value === "number" && !(step.normal[0] <= value && value <= step.normal[1]);
}

/** How far a visit is: steps that ask for something, how many are answered or said impossible, and what must still come. */
export interface Progress { done: number; total: number; missing: Step[] }

export function progress(guide: Guide, visit: Visit | null | undefined): Progress {
  const asking = visibleSteps(guide, answersOf(visit)).filter((step) => step.type !== "note");
  const open = asking.filter((step) => !isSettled(step, visit));
  return { done: asking.length - open.length, total: asking.length, missing: open.filter((step) => step.required) };
}

/** The step that wants an answer next: required ones wherever they are, others only behind the last one answered. */
export function next(guide: Guide, visit: Visit | null | undefined): Step | null {
  const asking = visibleSteps(guide, answersOf(visit)).filter((step) => step.type !== "note");
  const furthest = asking.findLastIndex((step) => isSettled(step, visit));
  return asking.find((step, index) => !isSettled(step, visit) && (step.required || index > furthest)) ?? null;
}

/** Whether a step has its answer, its photo, or the reason why it cannot have one. */
export function isSettled(step: Step, visit: Visit | null | undefined): boolean {
  const cannot = visit?.answers?.[step.id]?.["cannot_reason"];
  return Boolean(cannot) || !isEmpty(step, answersOf(visit)[step.id]);
}

// --------------------------------------------------------------------------------------------------------- which guide it is

/** The guide for a visit: the one it was begun with, else the one that fits its ticket best; null when none does. */
export function guideOf(
  guides: readonly Guide[], ticket: Pick<TicketView, "kind" | "cause" | "fault_class">, visit: Visit | null | undefined,
): Guide | null {
  return pinned(visit, guides) ?? matching(guides, ticket);
}

/** The guide and version a visit was begun with; null before its first answer, or when this phone does not have it. */
export function pinned(visit: Visit | null | undefined, guides: readonly Guide[]): Guide | null {
  const moments = Object.values(visit?.answers ?? {}).sort((one, two) => one.at - two.at || (one.fact < two.fact ? -1 : 1));
  const first = moments[0];
  return guides.find((guide) => guide.guide === first?.["guide"] && guide.version === first["guide_version"]) ?? null;
}

/** The newest guide that fits a ticket's kind and cause; made for the cause before for the kind before for any. */
export function matching(
  guides: readonly Guide[], ticket: Pick<TicketView, "kind" | "cause" | "fault_class">,
): Guide | null {
  const causes = [ticket.cause, ticket.fault_class].filter((cause) => cause !== undefined);
  const special = (guide: Guide): boolean => guide.causes.some((cause) => causes.includes(cause));
  const fits = (guide: Guide): boolean => !guide.superseded && (!guide.causes.length || special(guide))
    && (!guide.kinds.length || guide.kinds.includes(ticket.kind ?? ""));
  const byName = (one: Guide, two: Guide): number => Number(one.guide > two.guide) - Number(one.guide < two.guide);
  const order = (one: Guide, two: Guide): number =>
    Number(special(two)) - Number(special(one)) || Number(two.kinds.length > 0) - Number(one.kinds.length > 0)
    || byName(one, two) || two.version - one.version;
  return guides.filter(fits).sort(order)[0] ?? null;
}

// ---------------------------------------------------------------------------------------------------------------- relevance

/** What an expression can see: the answers, the choice or answer in question, and which steps are being asked about already. */
interface Scope {
  guide: Guide; answers: Answers; relevant: Map<string, boolean>;
  self?: Operand; choice?: Choice;
}

function scope(guide: Guide, answers: Answers): Scope {
  return { guide, answers, relevant: new Map() };
}

function isRelevant(within: Scope, step: Step): boolean {
  const known = within.relevant.get(step.id);
  if (known !== undefined) return known;
  within.relevant.set(step.id, true); // a step that depends on itself is shown
  const found = holds(step.relevant, within);
  within.relevant.set(step.id, found);
  return found;
}

/** Whether a condition holds; also when there is none, or none that this version can evaluate. */
function holds(condition: Expression | undefined, within: Scope): boolean {
  if (condition === undefined) return true;
  try {
    return boolean(evaluate(condition, within));
  } catch (error) {
    if (error instanceof Unknown) return true;
    throw error;
  }
}

function isOffered(guide: Guide, step: Step, value: AnswerValue | undefined, answers: Answers): boolean {
  if (step.type !== "choice" && step.type !== "choices") return true;
  const names = offered(guide, step, answers).map((choice) => choice.name);
  return (Array.isArray(value) ? value : [value]).every((name) => names.includes(String(name)));
}

function isEmpty(step: Step, value: AnswerValue | undefined): boolean {
  return value === undefined || asOperand(step, value) === "";
}

function isAnswer(value: unknown): value is AnswerValue {
  return ["string", "number", "boolean"].includes(typeof value) || Array.isArray(value);
}

// -------------------------------------------------------------------------------------------------------------- expressions

/** The three types of XPath 1.0 that are left. */
type Operand = string | number | boolean;

/** An operator of a newer server. */
class Unknown extends Error {}

/** What an answer is in an expression. */
function asOperand(step: Step, value: AnswerValue): Operand {
  if (step.type === "note") return "";
  if (step.type === "tick") return value === true || value === "OK" || value === "true" ? "OK" : "";
  return Array.isArray(value) ? value.join(" ") : value;
}

function reference(id: string, within: Scope): Operand {
  const step = within.guide.steps.find((one) => one.id === id);
  const value = within.answers[id];
  return step && value !== undefined && isRelevant(within, step) ? asOperand(step, value) : "";
}

/** The value of an expression. Throws Unknown for an operator that is not in the table. */
export function evaluate(expression: Expression, within: Scope): Operand {
  if (!isList(expression)) return expression;
  const [name, ...operands] = expression;
  const lazy = LAZY[name];
  if (lazy) return lazy(operands, within);
  const operator = OPERATORS[name];
  if (!operator) throw new Unknown(name);
  return operator(...operands.map((operand) => evaluate(operand, within)));
}

function isList(expression: Expression): expression is Exclude<Expression, Operand> {
  return Array.isArray(expression);
}

/** Operators that look at a name, or do not look at all of their operands. */
const LAZY: Record<string, ((operands: Expression[], within: Scope) => Operand) | undefined> = {
  ref: ([id], within) => reference(String(id), within),
  self: (_, within) => within.self ?? "",
  column: ([name], within) => String(within.choice?.[String(name)] ?? ""),
  or: ([one, two], within) => boolean(evaluate(one ?? false, within)) || boolean(evaluate(two ?? false, within)),
  and: ([one, two], within) => boolean(evaluate(one ?? false, within)) && boolean(evaluate(two ?? false, within)),
  if: ([condition, then, otherwise], within) =>
    evaluate((boolean(evaluate(condition ?? false, within)) ? then : otherwise) ?? "", within),
  coalesce: ([one, two], within) => {
    const first = evaluate(one ?? "", within);
    return text(first) === "" ? evaluate(two ?? "", within) : first;
  },
};

const OPERATORS: Record<string, ((...operands: Operand[]) => Operand) | undefined> = {
  not: (one) => !boolean(one),
  "=": equal,
  "!=": (one, two) => !equal(one, two),
  "<": (one, two) => number(one) < number(two),
  "<=": (one, two) => number(one) <= number(two),
  ">": (one, two) => number(one) > number(two),
  ">=": (one, two) => number(one) >= number(two),
  "+": (one, two) => number(one) + number(two),
  "-": (one, two) => number(one) - number(two),
  "*": (one, two) => number(one) * number(two),
  div: (one, two) => number(one) / number(two),
  mod: (one, two) => number(one) % number(two),
  neg: (one) => -number(one),
  selected: (list, name) => words(list).includes(text(name)),
  "count-selected": (list) => words(list).length,
  "string-length": (one) => [...text(one)].length,
  contains: (one, part) => text(one).includes(text(part)),
  "starts-with": (one, part) => text(one).startsWith(text(part)),
  "ends-with": (one, part) => text(one).endsWith(text(part)),
  regex: (one, pattern) => {
    const found = matchesWhole(text(one), text(pattern));
    if (found === null) throw new Unknown("regex");
    return found;
  },
  concat: (...all) => all.map(text).join(""),
  string: text,
  number,
  boolean,
  int: (one) => Math.trunc(number(one)),
  round: (one, places) => {
    const scale = 10 ** (places === undefined ? 0 : Math.trunc(number(places)));
    return Math.floor(number(one) * scale + 0.5) / scale;
  },
  abs: (one) => Math.abs(number(one)),
  min: (...all) => Math.min(...all.map(number)),
  max: (...all) => Math.max(...all.map(number)),
};

function equal(one: Operand | undefined, two: Operand | undefined): boolean {
  if (typeof one === "boolean" || typeof two === "boolean") return boolean(one) === boolean(two);
  if (typeof one === "number" || typeof two === "number") return number(one) === number(two);
  return one === two;
}

function boolean(value: Operand | undefined): boolean {
  return typeof value === "number" ? value !== 0 && !Number.isNaN(value) : Boolean(value);
}

function number(value: Operand | undefined): number {
  if (typeof value === "string") return /^\s*-?(\d+(\.\d*)?|\.\d+)\s*$/.test(value) ? Number(value) : NaN;
  return value === undefined ? NaN : Number(value);
}

function text(value: Operand | undefined): string {
  return typeof value === "number" ? decimal(value) : String(value ?? "");
}

/** The shortest decimal form; XPath writes no exponents. */
function decimal(value: number): string {
  const [all, sign, whole, fraction = "", power] = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(String(value)) ?? [];
  if (all === undefined) return Object.is(value, -0) ? "0" : String(value);
  const shift = Number(power);
  if (shift > 0) return `${sign}${whole}${fraction.padEnd(shift, "0")}`;
  return `${sign}0.${"0".repeat(-shift - 1)}${whole}${fraction}`;
}

function words(value: Operand | undefined): string[] {
  return text(value).split(" ").filter((word) => word !== "");
}
