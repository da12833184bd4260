// One of several, or several of several: whole rows or chips to press, real radio buttons and boxes underneath.

import { useId } from "preact/hooks";

export interface Option {
  value: string;
  label: string;
  aside?: string;
}

interface Common {
  label: string;
  options: Option[];
  chips?: boolean;
  hideLabel?: boolean;
  testid?: string;
}

/** One of several. Nothing is chosen beforehand unless `value` says so. */
export function Choice({ value, onChange, ...rest }: Common & { value: string | null; onChange: (value: string) => void }) {
  return <Options {...rest} type="radio" chosen={value === null ? [] : [value]} onPress={onChange} />;
}

/** Any number of several. */
export function Choices({ value, onChange, ...rest }: Common & { value: string[]; onChange: (value: string[]) => void }) {
  const flip = (one: string) => onChange(value.includes(one) ? value.filter((other) => other !== one) : [...value, one]);
  return <Options {...rest} type="checkbox" chosen={value} onPress={flip} />;
}

/** One box to tick. */
export function Tick({
  label,
  value,
  onChange,
  testid,
}: {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
  testid?: string;
}) {
  return (
    <label class="option" data-testid={testid}>
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}

function Options({
  label,
  options,
  chips,
  hideLabel,
  testid,
  type,
  chosen,
  onPress,
}: Common & { type: "radio" | "checkbox"; chosen: string[]; onPress: (value: string) => void }) {
  const name = useId();
  return (
    <fieldset class={`choice ${chips ? "chips" : ""}`} data-testid={testid}>
      <legend class={hideLabel ? "unseen" : ""}>{label}</legend>
      <div class="options">
        {options.map((option) => (
          <label class="option" key={option.value} data-value={option.value}>
            <input
              type={type}
              name={name}
              value={option.value}
              checked={chosen.includes(option.value)}
              onChange={() => onPress(option.value)}
            />
            <span>
              {option.label}
              {option.aside && <span class="quiet"> {option.aside}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
