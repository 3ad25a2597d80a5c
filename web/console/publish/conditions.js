// The parts of a JSON Schema that hold only for some values: if, then and else, and what depends on
// members that are there.
//
// Nothing of a schema is run, so a condition can be unknown, such as one with a pattern. Then none of
// its branches is shown, and the server decides.

import { Digits, equal, typeOf } from "../shared/value.js";

// How many parts are looked at, and how many steps a condition takes at most.
const mostParts = 30;
const mostSteps = 2000;

const conditional = ["if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies"];

// What says nothing of whether a value passes.
const remarks = ["title", "description", "default", "examples", "$comment", "$id", "$schema", "$defs", "definitions", "deprecated", "readOnly", "writeOnly", "then", "else", "if"];

const isMap = (value) => value instanceof Map;

// sides are a schema and what its allOf joins to it.
const sides = (schema, resolved) => [schema, ...(Array.isArray(schema.get("allOf")) ? schema.get("allOf") : []).slice(0, mostParts).map(resolved)].filter(isMap);

export const isConditional = (schema, resolved) => sides(schema, resolved).some((side) => conditional.some((name) => side.has(name)));

// unconditional is a schema without what holds only for some values.
export function unconditional(schema, resolved) {
  const strip = (side) => (isMap(side) ? new Map([...side].filter(([name]) => !conditional.includes(name))) : side);
  const all = strip(schema);
  if (Array.isArray(all.get("allOf"))) all.set("allOf", all.get("allOf").slice(0, mostParts).map((part) => strip(resolved(part))));
  return all;
}

// applicable returns the parts of a schema that hold for a value, and a text that is the same for the
// same parts.
export function applicable(schema, value, resolved) {
  const parts = [];
  const variant = [];
  const look = (schema, path) => {
    for (const [i, side] of sides(schema, resolved).entries()) {
      for (const [name, part] of ofSide(side, value, resolved)) {
        const found = Array.isArray(part) ? new Map([["required", part]]) : resolved(part);
        if (!isMap(found) || parts.length >= mostParts) continue;
        parts.push(found);
        variant.push(`${path}${i}/${name}`);
        look(found, `${path}${i}/${name}/`);
      }
    }
  };
  if (value !== undefined) look(schema, "");
  return { parts, variant: variant.join() };
}

function* ofSide(side, value, resolved) {
  if (side.has("if")) {
    const is = passes(side.get("if"), value, resolved);
    const name = is ? "then" : "else";
    if (is !== undefined && side.has(name)) yield [name, side.get(name)];
  }
  if (!isMap(value)) return;
  for (const name of ["dependentRequired", "dependentSchemas", "dependencies"]) {
    if (!isMap(side.get(name))) continue;
    for (const [member, part] of side.get(name)) if (value.has(member)) yield [`${name}/${member}`, part];
  }
}

// passes says whether a value passes a schema: undefined where that is not known.
export function passes(schema, value, resolved, work = { left: mostSteps }) {
  const at = resolved(schema);
  if (typeof at === "boolean") return at;
  if (!isMap(at) || work.left-- < 0) return undefined;
  const inner = (part, of = value) => passes(part, of, resolved, work);
  return all([...at].filter(([name]) => !remarks.includes(name)).map(([name, says]) => keyword(name, says, value, inner)));
}

const all = (verdicts) => (verdicts.includes(false) ? false : verdicts.includes(undefined) ? undefined : true);
const any = (verdicts) => (verdicts.includes(true) ? true : verdicts.includes(undefined) ? undefined : false);

// keyword says whether a value passes one keyword. Those of other types hold for it.
function keyword(name, says, value, inner) {
  const type = typeOf(value);
  switch (name) {
    case "type": return [says].flat().some((of) => of === type || (of === "integer" && type === "number" && /^-?\d+(\.0+)?$/.test(value.text)));
    case "const": return equal(says, value);
    case "enum": return Array.isArray(says) ? says.some((one) => equal(one, value)) : undefined;
    case "required": return !isMap(value) || (Array.isArray(says) && says.every((member) => value.has(member)));
    case "properties": return !isMap(value) || (isMap(says) ? all([...says].map(([member, part]) => (value.has(member) ? inner(part, value.get(member)) : true))) : undefined);
    case "allOf": return Array.isArray(says) ? all(says.map((part) => inner(part))) : undefined;
    case "anyOf": return Array.isArray(says) ? any(says.map((part) => inner(part))) : undefined;
    case "not": {
      const is = inner(says);
      return is === undefined ? undefined : !is;
    }
    case "minimum": return bound(says, value, (a, b) => a >= b);
    case "maximum": return bound(says, value, (a, b) => a <= b);
    case "exclusiveMinimum": return bound(says, value, (a, b) => a > b);
    case "exclusiveMaximum": return bound(says, value, (a, b) => a < b);
    case "minLength": return typeof value !== "string" || bound(says, new Digits(String([...value].length)), (a, b) => a >= b);
    case "maxLength": return typeof value !== "string" || bound(says, new Digits(String([...value].length)), (a, b) => a <= b);
    default: return undefined;
  }
}

function bound(says, value, holds) {
  if (!(value instanceof Digits)) return true;
  return says instanceof Digits ? holds(Number(value.text), Number(says.text)) : undefined;
}

// excluded says in words what a "not" excludes.
export function excluded(schema, print, resolved) {
  const at = resolved(schema);
  if (!isMap(at)) return "";
  const names = (list) => list.filter((name) => typeof name === "string").map((name) => `“${name}”`).join(" and ");
  const [[name, says] = []] = [...at].filter(([name]) => !remarks.includes(name));
  if (at.size > 1 && typeof at.get("description") === "string") return `not: ${at.get("description")}`;
  if ([...at.keys()].filter((key) => !remarks.includes(key)).length !== 1) return "some values are excluded, which the server checks";
  if (name === "const") return `not ${print(says)}`;
  if (name === "enum" && Array.isArray(says)) return `none of ${says.slice(0, 10).map((one) => print(one)).join(", ")}`;
  if (name === "type") return `not of the type ${[says].flat().join(" or ")}`;
  if (name === "required" && Array.isArray(says)) return `not with ${names(says)}${says.length > 1 ? " together" : ""}`;
  if (name === "anyOf" && Array.isArray(says)) return says.slice(0, 10).map((part) => excluded(part, print, resolved)).filter(Boolean).join(", ");
  return "some values are excluded, which the server checks";
}
