// An enrolment code as people type it: in any case, with spaces or dashes, and with the letters that look like digits. Pure.

const ALIKE: Record<string, string> = { O: "0", I: "1", L: "1" };
const GROUP = 5;
/** Letters and digits in a code. */
export const CODE_LENGTH = 10;

/** The code as the server knows it. */
export function codeOf(typed: string): string {
  return [...typed.toUpperCase()]
    .filter((one) => /[0-9A-Z]/.test(one))
    .map((one) => ALIKE[one] ?? one)
    .join("");
}

/** The code in two groups, for reading it back: 7K3QM-D09XT. */
export function inGroups(typed: string): string {
  return (
    codeOf(typed)
      .match(new RegExp(`.{1,${GROUP}}`, "g"))
      ?.join("-") ?? ""
  );
}

/** The code in an address such as `…/crew/#enrol=ABCD-EFGH`, or none. */
export function codeIn(hash: string): string {
  const found = /^#\/?enrol=([^&]*)/.exec(hash)?.[1] ?? "";
  try {
    return decodeURIComponent(found);
  } catch {
    return "";
  }
}
