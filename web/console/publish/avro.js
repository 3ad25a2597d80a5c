// Forms of Avro's schemas (specification 1.12), by the JSON that web/docs/schemas.md has for
// their values.

import { Digits, parse } from "../shared/value.js";
import { clipped, hints, json, nowISO } from "./shape.js";

const mostSymbols = 500;
const mostBranches = 100;

const day = 86_400_000;

// What logical types add to the types that they annotate.
const logical = {
  decimal: (schema) => ({ kind: "number", hint: `a decimal of ${digits(schema, "precision")} digits, ${digits(schema, "scale") || "0"} of them after the point` }),
  uuid: () => ({ kind: "text", hint: "a UUID", unsure: true }),
  date: () => ({ hint: "days since 1970-01-01", now: () => String(Math.floor(Date.now() / day)) }),
  "time-millis": () => ({ hint: "milliseconds since midnight", now: () => String(Date.now() % day) }),
  "time-micros": () => ({ hint: "microseconds since midnight", now: () => `${Date.now() % day}000` }),
  "timestamp-millis": () => ({ hint: "Unix time in milliseconds", now: () => String(Date.now()) }),
  "timestamp-micros": () => ({ hint: "Unix time in microseconds", now: () => `${Date.now()}000` }),
  "timestamp-nanos": () => ({ hint: "Unix time in nanoseconds", now: () => `${Date.now()}000000` }),
  "local-timestamp-millis": () => ({ hint: "local time, in milliseconds since 1970", now: () => String(Date.parse(`${nowISO().slice(0, -1)}Z`)) }),
};

const digits = (schema, name) => (schema.get(name) instanceof Digits ? schema.get(name).text : "");

const special = ["NaN", "Infinity", "-Infinity"];

const primitives = {
  null: { kind: "null" },
  boolean: { kind: "boolean" },
  int: { kind: "number", integer: true, hint: "an integer of 32 bits" },
  long: { kind: "number", integer: true, hint: "an integer of 64 bits" },
  float: { kind: "number", words: special, hint: "a number" },
  double: { kind: "number", words: special, hint: "a number" },
  string: { kind: "text" },
  bytes: { kind: "text", hint: "a character for each byte, such as \\u00ff" },
};

// fromAvro returns the shape of the values of a schema, given as text.
export function fromAvro(text) {
  const root = parse(text);
  const named = new Map();
  collect(root, "", named);

  function shapeOf(schema, space) {
    if (typeof schema === "string") {
      if (Object.hasOwn(primitives, schema)) return { ...primitives[schema] };
      const found = named.get(schema.includes(".") || !space ? schema : `${space}.${schema}`) ?? named.get(schema);
      return found ? shapeOf(found.schema, found.space) : json(`The schema does not have the type ${clipped(schema, 100)}.`);
    }
    if (Array.isArray(schema)) return union(schema, space);
    if (!(schema instanceof Map)) return json("The schema is not understood here.");
    const type = schema.get("type");
    const about = clipped(schema.get("doc"));
    switch (type) {
      case "record": case "error": {
        const [name, inner] = nameOf(schema, space);
        const fields = Array.isArray(schema.get("fields")) ? schema.get("fields").filter((f) => f instanceof Map && typeof f.get("name") === "string") : [];
        return { kind: "object", title: clipped(name, 100), about, oneofs: [], fields: fields.map((f) => field(f, inner)) };
      }
      case "enum": {
        const symbols = Array.isArray(schema.get("symbols")) ? schema.get("symbols") : [];
        return symbols.length > mostSymbols || !symbols.length ? json(`One of ${symbols.length.toLocaleString()} symbols.`, { about }) : { kind: "enum", about, values: symbols };
      }
      case "array": return { kind: "array", about, item: () => shapeOf(schema.get("items"), space) };
      case "map": return { kind: "object", about, fields: [], oneofs: [], more: () => shapeOf(schema.get("values"), space) };
      case "fixed": return annotated({ kind: "text", hint: `${digits(schema, "size")} bytes, a character for each` }, schema);
      default: return annotated(shapeOf(type, space), schema);
    }
  }

  const annotated = (shape, schema) => {
    const name = schema.get("logicalType");
    const extra = typeof name === "string" && Object.hasOwn(logical, name) ? logical[name](schema) : {};
    return { ...shape, ...extra, about: clipped(schema.get("doc")) || shape.about, hint: extra.hint ?? shape.hint };
  };

  function field(f, space) {
    return {
      name: f.get("name"), required: !f.has("default"),
      shape: () => {
        const shape = shapeOf(f.get("type"), space);
        return { ...shape, about: clipped(f.get("doc")) || shape.about, value: f.get("default") ?? shape.value };
      },
    };
  }

  function union(branches, space) {
    if (branches.length > mostBranches) return json(`A union of ${branches.length.toLocaleString()} branches.`);
    return {
      kind: "choice",
      options: branches.map((branch) => ({ label: label(branch, space), shape: () => shapeOf(branch, space) })),
    };
  }

  return shapeOf(root, "");
}

function label(branch, space) {
  if (typeof branch === "string") return clipped(branch, 60);
  if (!(branch instanceof Map)) return "union";
  const name = typeof branch.get("name") === "string" ? nameOf(branch, space)[0] : branch.get("logicalType") ?? branch.get("type");
  return clipped(typeof name === "string" ? name : "value", 60);
}

// nameOf returns the full name of a named type, and the namespace of what is in it.
function nameOf(schema, space) {
  const name = String(schema.get("name"));
  if (name.includes(".")) return [name, name.slice(0, name.lastIndexOf("."))];
  const inner = typeof schema.get("namespace") === "string" ? schema.get("namespace") : space;
  return [inner ? `${inner}.${name}` : name, inner];
}

// collect finds the named types, by full name. Parsing has bounded how deep they can be.
function collect(schema, space, named) {
  if (Array.isArray(schema)) {
    for (const branch of schema) collect(branch, space, named);
    return;
  }
  if (!(schema instanceof Map)) return;
  let inner = space;
  if (typeof schema.get("name") === "string" && ["record", "error", "enum", "fixed"].includes(schema.get("type"))) {
    const [name, of] = nameOf(schema, space);
    inner = of;
    if (!named.has(name)) named.set(name, { schema, space });
  }
  for (const part of ["type", "items", "values"]) collect(schema.get(part), inner, named);
  for (const f of Array.isArray(schema.get("fields")) ? schema.get("fields") : []) if (f instanceof Map) collect(f.get("type"), inner, named);
}
