// Shapes: what a form can show of a schema, whatever language that is in.
//
// A shape is an object with a kind:
//
//   object   fields [{name, required, shape()}], oneofs [{name, fields}], more() for members
//            of other names, if there can be any
//   array    item(index)
//   text, number, boolean, null
//   enum     values
//   choice   options [{label, shape()}]
//   json     anything, or what is not understood; why says so
//
// and perhaps title, about (what the schema says of it), hint (what it must be), value (its
// default or example), and now(), which returns the present time in the shape's form. Parts
// are functions, which are called when they are shown: a schema may refer to itself.

import { Digits, equal, print, typeOf } from "../shared/value.js";

// How long a text of a schema is shown, and how deep an example goes.
const longest = 400;
const deepest = 8;
const mostFields = 60;

export const clipped = (text, most = longest) =>
  typeof text !== "string" ? "" : text.length > most ? `${text.slice(0, most)}…` : text;

export const json = (why = "", more = {}) => ({ ...more, kind: "json", why });

// list joins hints.
export const hints = (...parts) => parts.filter(Boolean).join(", ");

export const nowISO = () => new Date().toISOString();

// sample returns an example of a shape. Without all, it has only what is required.
export function sample(shape, { all = false, depth = 0 } = {}) {
  if (shape.value !== undefined) return shape.value;
  const inner = { all, depth: depth + 1 };
  switch (shape.kind) {
    case "object": {
      const members = new Map();
      for (const { name, required, shape: of } of shape.fields) {
        if (members.size >= mostFields) break;
        if (depth >= deepest || !(required || (all && depth < 3))) continue;
        const part = of();
        if (!required && (part.unsure || part.kind === "json" || part.kind === "choice")) continue;
        members.set(name, sample(part, inner));
      }
      return members;
    }
    case "array": {
      const length = Math.min(Math.max(shape.least ?? 0, all && depth < 3 ? 1 : 0), 3);
      return depth >= deepest ? [] : Array.from({ length }, (_, i) => sample(shape.item(i), inner));
    }
    case "text": return shape.now?.() ?? "text".padEnd(Math.min(shape.least ?? 0, 100), "x").slice(0, shape.most ?? 100);
    case "number": return shape.now ? new Digits(shape.now()) : new Digits(String(Math.min(Math.max(0, shape.least ?? 0), shape.most ?? Infinity)));
    case "boolean": return false;
    case "enum": return shape.values[0];
    case "choice": return depth >= deepest ? null : sample(shape.options[0].shape(), inner);
    default: return null;
  }
}

// fits says whether a value is of a shape, as far as it must be known to choose between
// some. The server is the judge of values.
export function fits(shape, value, depth = 0) {
  const type = typeOf(value);
  switch (shape.kind) {
    case "json": return true;
    case "enum": return shape.values.some((allowed) => equal(allowed, value));
    case "choice": return depth > 2 || shape.options.some((option) => fits(option.shape(), value, depth + 1));
    case "text": return type === "string" && (!shape.takes || shape.takes(value));
    case "number": return (type === "number" && (!shape.integer || /^-?\d+$/.test(value.text))) || (shape.words ?? []).includes(value);
    case "object": {
      if (type !== "object" || depth > 2) return type === "object";
      const known = shape.fields.slice(0, mostFields);
      return known.every(({ name, required, shape: of }) => (value.has(name) ? fits(of(), value.get(name), depth + 1) : !required))
        && (shape.more !== undefined || [...value.keys()].every((name) => shape.fields.some((f) => f.name === name)));
    }
    default: return type === shape.kind;
  }
}

// chosen returns which option of a choice a value is of, or -1.
export const chosen = (shape, value) => shape.options.findIndex((option) => fits(option.shape(), value));

// name is what a part is called, at most so long that it can be read.
export const name = (at) => clipped(at.name || "value", 120);

// said is what the schema says of a part.
export function said(shape) {
  const parts = [shape.title, shape.about, hints(shape.hint), shape.why].filter(Boolean);
  if (shape.value !== undefined && shape.kind !== "enum") parts.push(`default or example: ${clipped(print(shape.value), 80)}`);
  return parts.join(" · ");
}
