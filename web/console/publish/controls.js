// The controls of a form for single values. Each returns the element that has the value.

import { el } from "../shared/dom.js";
import { Digits, equal, isNumber, parse, print } from "../shared/value.js";
import { clipped } from "./shape.js";

const long = 70; // characters, from which a text has more than a line

const plain = { spellcheck: "false", autocapitalize: "off", autocomplete: "off" };

// nowButton sets the present time.
function nowButton({ shape, at, more }, set) {
  if (shape.now) more.append(el("button", { type: "button", class: "quiet", "aria-label": `Set ${at.name || "the value"} to now`, onclick: () => set(shape.now()) }, "Now"));
}

// An optional text that is emptied is left out; "" can be written in the JSON.
export function textControl(context) {
  const { form, slot, at } = context;
  const value = slot.get() ?? "";
  const several = value.length > long || value.includes("\n");
  const input = el(several ? "textarea" : "input", { ...plain, ...(several ? { rows: 4 } : {}) });
  input.value = value;
  const set = (text) => form.set(slot, text === "" && !at.required ? undefined : text, input);
  input.addEventListener("input", () => set(input.value));
  nowButton(context, (text) => {
    input.value = text;
    set(text);
  });
  return input;
}

export function numberControl(context) {
  const { form, shape, slot } = context;
  const value = slot.get();
  const input = el("input", { ...plain, inputmode: "decimal", class: "digits" });
  input.value = value?.text ?? value ?? "";
  const set = (typed) => {
    const text = typed.trim();
    if (text === "") form.set(slot, undefined, input);
    else if ((shape.words ?? []).includes(text)) form.set(slot, text, input);
    else if (isNumber(text)) form.set(slot, new Digits(text), input);
    else form.refuse(slot, input, "This is not a number as JSON has it, such as -1.5 or 2e3.");
  };
  input.addEventListener("input", () => set(input.value));
  nowButton(context, (text) => {
    input.value = text;
    set(text);
  });
  return input;
}

// select offers values; the empty one leaves the value out.
function select({ form, slot, at }, values) {
  const value = slot.get();
  const control = el("select");
  if (!at.required || value === undefined) control.append(new Option("—", ""));
  for (const [i, each] of values.entries()) control.append(new Option(clipped(typeof each === "string" ? each : print(each), 100) || '""', String(i)));
  const index = value === undefined ? -1 : values.findIndex((each) => equal(each, value));
  control.value = index < 0 ? "" : String(index);
  control.addEventListener("change", () => form.set(slot, control.value === "" ? undefined : values[Number(control.value)], control));
  return control;
}

export const boolControl = (context) => select(context, [true, false]);

export const enumControl = (context) => select(context, context.shape.values);

export function jsonControl({ form, slot }) {
  const value = slot.get();
  const text = value === undefined ? "" : print(value);
  const control = el("textarea", { ...plain, rows: Math.min(6, 2 + Math.floor(text.length / long)) });
  control.value = text;
  control.addEventListener("input", () => {
    if (control.value.trim() === "") {
      form.set(slot, undefined, control);
      return;
    }
    try {
      form.set(slot, parse(control.value), control);
    } catch (fault) {
      form.refuse(slot, control, fault.message);
    }
  });
  return control;
}
