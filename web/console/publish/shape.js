// Shapes: what a form can show of a schema, whatever language that is in.
//
// A shape is an object with a kind:
//
//   object   fields [{name, required, shape()}], oneofs [{name, fields}], more() for members
//            of other names, if there can be any; names says what those are
//   array    item(index)
//   text, number, boolean, null
//   enum     values
//   choice   options [{label, shape()}]
//   json     anything, or what is not understood; why says so
//
// and perhaps title, about (what the schema says of it), hint (what it must be), value (its
// default or example), without (what it
// must not be), and now(), which returns the present time in the shape's form. A shape that depends on
// its value has adapt(value), which returns what it is for one, with a variant: a text that differs
// where the shape does. Parts
// are functions, which are called when they are shown: a schema may refer to itself.

import { Digits, copy, equal, print, typeOf } from "../shared/value.js";

// How long a text of a schema is shown, and bounds of examples and of the search for the option
// that a value is of: a schema can refer to itself in many places.
const longest = 400;
const deepest = 8;
const mostFields = 60;
const mostValues = 500;
const mostSteps = 20_000;
const mostVariants = 4;

export const clipped = (text, most = longest) =>
  typeof text !== "string" ? "" : text.length > most ? `${text.slice(0, most)}…` : text;

export const json = (why = "", more = {}) => ({ ...more, kind: "json", why });

// list joins hints.
export const hints = (...parts) => parts.filter(Boolean).join(", ");

export const nowISO = () => new Date().toISOString();

// sample returns an example of a shape. Without all, it has only what is required.
export function sample(shape, { all = false } = {}) {
  let left = mostValues;

  function of(shape, depth) {
    left--;
    if (shape.value !== undefined) return copy(shape.value);
    switch (shape.kind) {
      case "object": return object(shape, depth);
      case "array": {
        const length = Math.min(Math.max(shape.least ?? 0, all && depth < 3 ? 1 : 0), 3);
        return depth >= deepest || left < 0 ? [] : Array.from({ length }, (_, i) => of(shape.item(i), depth + 1));
      }
      case "text": return shape.now?.() ?? "text".padEnd(Math.min(shape.least ?? 0, 100), "x").slice(0, shape.most ?? 100);
      case "number": return new Digits(shape.now?.() ?? String(Math.min(Math.max(0, shape.least ?? 0), shape.most ?? Infinity)));
      case "boolean": return false;
      case "enum": return copy(shape.values[0]);
      case "choice": return depth >= deepest || left < 0 ? null : of(shape.options[0].shape(), depth + 1);
      default: return null;
    }
  }

  function object(shape, depth) {
    const members = new Map();
    fill(shape, depth, members);
    // What is there can have more required.
    for (let i = 0, known = ""; shape.adapt && i < mostVariants; i++) {
      const now = shape.adapt(members);
      if (now.kind !== "object" || now.variant === known) break;
      known = now.variant;
      fill(now, depth, members);
    }
    return members;
  }

  function fill(shape, depth, members) {
    for (const { name, required, shape: part } of shape.fields) {
      if (members.size >= mostFields || depth >= deepest || left < 0) break;
      if (members.has(name) || (!required && (!all || depth > 2))) continue;
      const shape = part();
      // What is not required is left out where an example is no more than a guess.
      if (!required && (shape.unsure || shape.kind === "json" || shape.kind === "choice")) continue;
      members.set(name, of(shape, depth + 1));
    }
  }

  return of(shape, 0);
}

// fits says whether a value is of a shape, as far as it must be known to choose between
// some. The server is the judge of values.
export function fits(shape, value, depth = 0, work = { left: mostSteps }) {
  const type = typeOf(value);
  work.left -= 1 + (shape.fields?.length ?? 0) / mostFields;
  if (work.left < 0) return true;
  switch (shape.kind) {
    case "json": return true;
    case "enum": return shape.values.some((allowed) => equal(allowed, value));
    case "choice": return depth > 2 || shape.options.some((option) => fits(option.shape(), value, depth + 1, work));
    case "text": return type === "string" && (!shape.takes || shape.takes(value));
    case "number": return (type === "number" && (!shape.integer || /^-?\d+$/.test(value.text))) || (shape.words ?? []).includes(value);
    case "object": {
      if (type !== "object" || depth > 2) return type === "object";
      const names = new Set(shape.fields.map((f) => f.name));
      return shape.fields.slice(0, mostFields).every(({ name, required, shape: of }) => (value.has(name) ? fits(of(), value.get(name), depth + 1, work) : !required))
        && (shape.more !== undefined || [...value.keys()].every((name) => names.has(name)));
    }
    default: return type === shape.kind;
  }
}

// chosen returns which option of a choice a value is of, or -1.
export function chosen(shape, value) {
  const work = { left: mostSteps };
  return shape.options.findIndex((option) => fits(option.shape(), value, 0, work));
}

// name is what a part is called, at most so long that it can be read.
export const name = (at) => clipped(at.name || "value", 120);

// said is what the schema says of a part.
export function said(shape) {
  const parts = [shape.title, shape.about, hints(shape.hint, shape.without), shape.names, shape.why].filter(Boolean);
  if (shape.value !== undefined && shape.kind !== "enum") parts.push(`default or example: ${clipped(print(shape.value), 80)}`);
  return parts.join(" · ");
}
