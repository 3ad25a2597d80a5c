// Forms of Protobuf's messages, by its JSON mapping, as web/docs/schemas.md has it.

import { clipped, hints, json, nowISO } from "./shape.js";
import { readProtobuf } from "./protofile.js";

const mostValues = 500;

const integer = (bits, signed = true) => ({ kind: "number", integer: true, hint: `an integer of ${bits} bits${signed ? "" : ", not negative"}`, long: bits === 64 });
const float = () => ({ kind: "number", words: ["NaN", "Infinity", "-Infinity"], hint: "a number" });

const scalars = {
  double: float, float,
  int32: () => integer(32), sint32: () => integer(32), sfixed32: () => integer(32), uint32: () => integer(32, false), fixed32: () => integer(32, false),
  int64: () => integer(64), sint64: () => integer(64), sfixed64: () => integer(64), uint64: () => integer(64, false), fixed64: () => integer(64, false),
  bool: () => ({ kind: "boolean" }),
  string: () => ({ kind: "text" }),
  bytes: () => ({ kind: "text", hint: "bytes, in base64", takes: (text) => /^[\w+/=-]*$/.test(text) }),
};

const wrapped = { DoubleValue: "double", FloatValue: "float", Int64Value: "int64", UInt64Value: "uint64", Int32Value: "int32", UInt32Value: "uint32", BoolValue: "bool", StringValue: "string", BytesValue: "bytes" };

const known = "google.protobuf.";

// wellKnown is the shape of a message that has a JSON of its own.
function wellKnown(name) {
  if (!name.startsWith(known)) return undefined;
  const short = name.slice(known.length);
  if (Object.hasOwn(wrapped, short)) return scalars[wrapped[short]]();
  switch (short) {
    case "Timestamp": return { kind: "text", hint: "a date and time, such as 2026-11-29T12:00:00Z", now: nowISO };
    case "Duration": return { kind: "text", hint: "seconds, such as 1.5s", unsure: true };
    case "FieldMask": return { kind: "text", hint: "names of fields, with commas", unsure: true };
    case "Empty": return { kind: "object", fields: [], oneofs: [] };
    case "Struct": return { kind: "object", fields: [], oneofs: [], more: () => json() };
    case "ListValue": return { kind: "array", item: () => json() };
    case "NullValue": return { kind: "null" };
    default: return json(short === "Any" ? "An object with @type and the fields of its message." : "");
  }
}

// fromProtobuf returns the names of the messages of a schema, given as text, and shape(name),
// the shape of one of them. The first message is the one that is published, unless the
// server's configuration names another.
export function fromProtobuf(text) {
  const { types, first } = readProtobuf(text);

  // find resolves a name as Protobuf does: in the innermost scope that has it.
  function find(name, scope) {
    if (name.startsWith(".")) return types.get(name.slice(1));
    for (let at = scope; ; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
      const found = types.get(at ? `${at}.${name}` : name);
      if (found || !at) return found;
    }
  }

  function one(type, scope) {
    if (Object.hasOwn(scalars, type)) return scalars[type]();
    const found = find(type, scope);
    const special = wellKnown(found?.name ?? type.replace(/^\./, ""));
    if (special) return special;
    if (!found) return json(`The schema does not have the type ${clipped(type, 100)}.`);
    if (found.kind === "message") return message(found);
    return found.values.length > mostValues || !found.values.length
      ? json(`One of ${found.values.length.toLocaleString()} names.`)
      : { kind: "enum", about: clipped(found.comment), values: found.values };
  }

  function shapeOf(f, scope) {
    const about = clipped(f.comment);
    if (f.key) return { kind: "object", about, fields: [], oneofs: [], more: () => one(f.type, scope) };
    if (f.label === "repeated") return { kind: "array", about, item: () => one(f.type, scope) };
    const shape = one(f.type, scope);
    return { ...shape, about: about || shape.about, value: fallback(f, shape) };
  }

  // fallback is the default of proto2, of an enum or a string.
  function fallback(f, shape) {
    const text = f.options.get("default");
    if (text === undefined) return shape.value;
    if (shape.kind === "enum") return shape.values.includes(text) ? text : shape.value;
    return shape.kind === "boolean" ? text === "true" : shape.value;
  }

  function message(type) {
    const fields = type.fields.map((f) => ({ name: jsonName(f), also: f.name, required: f.label === "required", oneof: f.oneof, shape: () => shapeOf(f, type.name) }));
    const oneofs = new Map();
    for (const f of fields) {
      if (!f.oneof) continue;
      if (!oneofs.has(f.oneof)) oneofs.set(f.oneof, []);
      oneofs.get(f.oneof).push(f);
    }
    return {
      kind: "object", title: clipped(type.name, 100), about: clipped(type.comment), fields: fields.filter((f) => !f.oneof),
      oneofs: [...oneofs].map(([name, of]) => ({ name, fields: of })),
    };
  }

  return { messages: first, shape: (name) => message(types.get(name)) };
}

function jsonName(f) {
  const given = f.options.get("json_name");
  if (given) return given.slice(1, -1);
  return f.name.replace(/_([a-zA-Z0-9])/g, (_, letter) => letter.toUpperCase());
}
