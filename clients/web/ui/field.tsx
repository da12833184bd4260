// What is typed. The label is always visible, the hint stands before the entry, the fault after it in one sentence.

import alert from "lucide-static/icons/octagon-alert.svg?raw";
import { useId } from "preact/hooks";
import { Icon } from "./icon";

export interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string | undefined;
  fault?: string | undefined;
  /** `code`: letters that are not words; `pin`: digits, hidden; `text`: several lines. */
  kind?: "line" | "text" | "tel" | "number" | "decimal" | "code" | "pin";
  unit?: string | undefined;
  maxLength?: number;
  testid?: string;
}

const KEYBOARD = { line: "text", number: "numeric", decimal: "decimal", code: "text" } as const;

export function Field(props: FieldProps) {
  const id = useId();
  const described = [props.hint && `${id}-hint`, props.fault && `${id}-fault`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.hint && (
        <p class="quiet" id={`${id}-hint`}>
          {props.hint}
        </p>
      )}
      <div class="row">
        <Entry {...props} id={id} described={described} />
        {props.unit && <span class="unit">{props.unit}</span>}
      </div>
      {props.fault && (
        <p class="fault" id={`${id}-fault`}>
          <Icon of={alert} />
          <span>{props.fault}</span>
        </p>
      )}
    </div>
  );
}

function Entry({
  id,
  described,
  value,
  onInput,
  fault,
  kind = "line",
  maxLength,
  testid,
}: FieldProps & { id: string; described: string }) {
  const common = {
    id,
    value,
    class: "input",
    autocomplete: "off",
    "data-testid": testid,
    onInput: (event: Event) => onInput((event.target as HTMLInputElement).value),
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(fault ? { "aria-invalid": "true" as const } : {}),
    ...(described ? { "aria-describedby": described } : {}),
  };
  if (kind === "text") return <textarea {...common} />;
  if (kind === "pin") return <input {...common} type="password" inputMode="numeric" />;
  if (kind === "tel") return <input {...common} type="tel" />;
  const raw = kind === "code" ? ({ autocapitalize: "characters", spellcheck: false } as const) : {};
  return <input {...common} {...raw} type="text" inputMode={KEYBOARD[kind]} />;
}
