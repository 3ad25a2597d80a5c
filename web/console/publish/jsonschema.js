// Forms of JSON Schemas (drafts 04 to 2020-12). Nothing of a schema is run, patterns
// included, and nothing is fetched.

import { Digits, parse, print } from "../shared/value.js";
import { applicable, excluded, isConditional, unconditional } from "./conditions.js";
import { clipped, hints, json, nowISO } from "./shape.js";

// Bounds of what is looked at: a schema is data of others.
const mostNodes = 100_000;
const mostHops = 32;
const mostOptions = 100;
const mostValues = 500;
const mostParts = 30;

const today = () => nowISO().slice(0, 10);

const formats = {
  "date-time": ["a date and time, such as 2026-11-29T12:00:00Z", nowISO],
  date: ["a date, such as 2026-11-29", today],
  time: ["a time, such as 12:00:00Z", () => nowISO().slice(11)],
  duration: ["a duration, such as PT5M"],
  email: ["an e-mail address"],
  uuid: ["a UUID"],
  uri: ["a URI"],
  ipv4: ["an IPv4 address"],
  ipv6: ["an IPv6 address"],
};

// fromJSONSchema returns the shape of the values of a schema, given as text.
export function fromJSONSchema(text) {
  const root = parse(text);
  const named = names(root);

  // resolved follows references, and returns undefined for one that leads nowhere.
  function resolved(schema) {
    let at = schema;
    for (let hops = 0; at instanceof Map && typeof at.get("$ref") === "string"; hops++) {
      if (hops === mostHops) return undefined;
      const target = find(at.get("$ref"));
      if (target === undefined) return undefined;
      // Beside a reference stands mostly what it is called here.
      const beside = [...at].filter(([name]) => name === "title" || name === "description" || name === "default");
      at = target instanceof Map && beside.length ? new Map([...target, ...beside]) : target;
    }
    return at;
  }

  function find(reference) {
    if (named.has(reference)) return named.get(reference);
    const [id, fragment = ""] = reference.split("#");
    let at = id === "" || id === root.get?.("$id") ? root : named.get(id);
    if (fragment === "") return at;
    if (!fragment.startsWith("/")) return named.get(`#${fragment}`);
    for (const part of fragment.slice(1).split("/")) {
      const name = unescaped(part);
      at = at instanceof Map ? at.get(name) : Array.isArray(at) ? at[name] : undefined;
    }
    return at;
  }

  // merged is a schema with what its allOf says, as far as that can be one form.
  function merged(schema) {
    const parts = schema.get("allOf");
    if (!Array.isArray(parts)) return schema;
    const all = new Map(schema);
    all.delete("allOf");
    for (const part of parts.slice(0, mostParts)) {
      const other = resolved(part);
      if (other instanceof Map) join(all, other);
    }
    return all;
  }

  function join(all, other) {
    for (const [name, value] of other) {
      const mine = all.get(name);
      if (mine === undefined) all.set(name, value);
      else if (name === "properties" && mine instanceof Map && value instanceof Map) all.set(name, new Map([...mine, ...[...value].map(([of, part]) => [of, mine.has(of) ? both(mine.get(of), part) : part])]));
      else if (name === "required" && Array.isArray(mine) && Array.isArray(value)) all.set(name, [...mine, ...value]);
    }
  }

  // both is a schema of what two say of the same member.
  const both = (mine, other) => (mine instanceof Map || other instanceof Map ? new Map([["allOf", [mine, other]]]) : mine);

  function shapeOf(given) {
    const schema = resolved(given);
    if (schema === undefined) return json("The schema refers to something that is not in it.");
    if (!(schema instanceof Map)) return json(schema === false ? "The schema lets nothing pass here." : "");
    return isConditional(schema, resolved) ? varying(schema) : settled(merged(schema));
  }

  // varying is the shape of a schema with parts that hold for some values only: adapt returns what it
  // is for one.
  function varying(schema) {
    const always = unconditional(schema, resolved);
    const adapt = (value) => {
      const all = merged(new Map(always));
      const { parts, variant } = applicable(schema, value, resolved);
      for (const part of parts) join(all, merged(unconditional(part, resolved)));
      return { ...settled(all), variant };
    };
    return { ...settled(merged(always)), adapt };
  }

  function settled(schema) {
    const example = Array.isArray(schema.get("examples")) ? schema.get("examples")[0] : undefined;
    const common = {
      title: clipped(schema.get("title"), 100), about: clipped(schema.get("description")), value: schema.get("default") ?? example,
      without: schema.has("not") ? clipped(excluded(schema.get("not"), print, resolved)) : "",
    };
    if (schema.has("const")) return { ...common, kind: "enum", values: [schema.get("const")], value: schema.get("const") };
    const values = schema.get("enum");
    if (Array.isArray(values) && values.length > mostValues) return json(`One of ${values.length.toLocaleString()} values of the schema.`, common);
    if (Array.isArray(values) && values.length) return { ...common, kind: "enum", values };
    const branches = schema.get("oneOf") ?? schema.get("anyOf");
    if (Array.isArray(branches) && branches.length) {
      return branches.length > mostOptions
        ? json(`The schema has ${branches.length.toLocaleString()} alternatives.`, common)
        : { ...common, kind: "choice", options: branches.map((branch, i) => option(schema, branch, i)) };
    }
    const types = schema.get("type");
    if (Array.isArray(types) && types.length > 1) {
      return { ...common, kind: "choice", options: types.slice(0, 7).map((type) => ({ label: String(type), shape: () => shapeOf(new Map([...schema, ["type", type]])) })) };
    }
    return { ...common, ...plain(schema, Array.isArray(types) ? types[0] : types ?? implied(schema)) };
  }

  // option is an alternative, with what stands beside all of them.
  function option(schema, branch, i) {
    const beside = new Map([...schema].filter(([name]) => !["oneOf", "anyOf", "not", "title", "description", "default", "examples"].includes(name)));
    const shape = () => {
      const target = resolved(branch);
      return beside.size && target instanceof Map ? shapeOf(new Map([...beside, ["allOf", [target, ...(beside.get("allOf") ?? [])]]])) : shapeOf(branch);
    };
    const target = resolved(branch);
    const reference = branch instanceof Map && typeof branch.get("$ref") === "string" ? branch.get("$ref").split("/").pop() : "";
    const says = target instanceof Map ? target.get("title") ?? (target.has("const") ? print(target.get("const")) : undefined) : undefined;
    const type = target instanceof Map ? target.get("type") ?? implied(target) : undefined;
    return { label: clipped(says ?? (reference || (typeof type === "string" && type)) ?? "", 60) || `alternative ${i + 1}`, shape };
  }

  function plain(schema, type) {
    const get = (name) => schema.get(name);
    const figure = (name) => (get(name) instanceof Digits ? get(name).text : "");
    const bounds = hints(
      between(get("exclusiveMinimum") === true ? "" : figure("minimum"), get("exclusiveMaximum") === true ? "" : figure("maximum")),
      above(get("exclusiveMinimum") === true ? figure("minimum") : figure("exclusiveMinimum"), "more than"),
      above(get("exclusiveMaximum") === true ? figure("maximum") : figure("exclusiveMaximum"), "less than"),
      above(figure("multipleOf"), "a multiple of"),
    );
    switch (type) {
      case "object": return objectOf(schema);
      case "array": {
        const first = [get("prefixItems"), get("items")].find(Array.isArray) ?? [];
        const rest = Array.isArray(get("items")) ? get("additionalItems") : get("items");
        return {
          kind: "array", least: Number(figure("minItems")) || 0,
          hint: hints(between(figure("minItems"), figure("maxItems"), "items"), get("uniqueItems") === true && "no value twice"),
          item: (i) => shapeOf(first[i] ?? rest ?? true),
        };
      }
      case "string": {
        const [says, now] = formats[Object.hasOwn(formats, get("format")) ? get("format") : ""] ?? [];
        const pattern = typeof get("pattern") === "string" && `matches ${clipped(get("pattern"), 120)}`;
        return {
          kind: "text", now, unsure: Boolean(pattern) || (says !== undefined && !now), least: Number(figure("minLength")) || 0, most: Number(figure("maxLength") || 100),
          hint: hints(says, between(figure("minLength"), figure("maxLength"), "characters"), pattern),
        };
      }
      case "number": case "integer": {
        const least = Number(figure("minimum") || figure("exclusiveMinimum") || -Infinity);
        const about = get("description");
        return {
          kind: "number", integer: type === "integer", least, most: Number(figure("maximum") || Infinity), hint: hints(type === "integer" && "an integer", bounds),
          now: typeof about === "string" && /\bunix (time in )?milliseconds/i.test(about) ? () => String(Date.now()) : undefined,
        };
      }
      case "boolean": case "null": return { kind: type };
      default: return json();
    }
  }

  function objectOf(schema) {
    const properties = schema.get("properties");
    const required = new Set(Array.isArray(schema.get("required")) ? schema.get("required") : []);
    const known = properties instanceof Map ? [...properties] : [];
    const fields = known.map(([name, part]) => ({ name, required: required.has(name), shape: () => shapeOf(part) }));
    for (const name of required) {
      if (typeof name === "string" && !properties?.has?.(name)) fields.push({ name, required: true, shape: () => shapeOf(schema.get("additionalProperties") ?? true) });
    }
    const more = schema.get("additionalProperties");
    const patterns = schema.get("patternProperties") instanceof Map ? [...schema.get("patternProperties")].slice(0, mostOptions) : [];
    const closed = more === false && !patterns.length;
    const names = patterns.length > 0 && more === false && `names match ${patterns.map(([pattern]) => clipped(pattern, 60)).join(" or ")}`;
    return { kind: "object", fields, oneofs: [], grows: more instanceof Map || patterns.length > 0, names: names || "", more: closed ? undefined : (name = "") => other(name, patterns, more) };
  }

  // other is the shape of a member with a name of its own. Patterns are not run, but for those that
  // say how a name begins; with others, a value is of one of them.
  function other(name, patterns, more) {
    const rest = more instanceof Map ? [["", more]] : more === false ? [] : [["", true]];
    const may = patterns.filter(([pattern]) => begins(pattern, name) !== false);
    const sure = may.filter(([pattern]) => begins(pattern, name));
    const options = sure.length ? sure.slice(0, 1) : [...may, ...rest];
    if (!options.length) return json("The schema has no member of such a name.");
    if (options.length === 1) return shapeOf(options[0][1]);
    return { kind: "choice", options: options.map(([pattern, part]) => ({ label: pattern ? `name matches ${clipped(pattern, 60)}` : "another name", shape: () => shapeOf(part) })) };
  }

  return shapeOf(root);
}

// between says in what bounds a figure is, of some things.
function between(least, most, things = "") {
  const of = things && ` ${(most || least) === "1" ? things.slice(0, -1) : things}`;
  if (least && most) return least === most ? `${least}${of}` : `${least} to ${most}${of}`;
  return least ? `at least ${least}${of}` : most && `at most ${most}${of}`;
}

// begins says whether a name begins as a pattern says, undefined for patterns that say something else.
function begins(pattern, name) {
  const [, start] = /^\^([\w-]*)$/.exec(pattern) ?? [];
  return start === undefined ? undefined : name.startsWith(start);
}

const above = (figure, words) => figure && `${words} ${figure}`;

// names returns what references can name: $id, and anchors.
function names(root) {
  const found = new Map();
  const waiting = [root];
  for (let nodes = 0; waiting.length && nodes < mostNodes; nodes++) {
    const at = waiting.pop();
    const parts = at instanceof Map ? at.values() : Array.isArray(at) ? at : [];
    for (const part of parts) if (typeof part === "object" && part !== null) waiting.push(part);
    if (!(at instanceof Map)) continue;
    for (const keyword of ["$id", "id"]) if (typeof at.get(keyword) === "string") found.set(at.get(keyword), at);
    for (const keyword of ["$anchor", "$dynamicAnchor"]) if (typeof at.get(keyword) === "string") found.set(`#${at.get(keyword)}`, at);
  }
  return found;
}

function unescaped(part) {
  try {
    part = decodeURIComponent(part);
  } catch {
    // It is meant as it stands.
  }
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

// implied is the type that a schema without one speaks of.
function implied(schema) {
  if (["properties", "required", "additionalProperties", "patternProperties"].some((name) => schema.has(name))) return "object";
  if (schema.has("items") || schema.has("prefixItems")) return "array";
  if (schema.has("minLength") || schema.has("maxLength") || schema.has("pattern") || schema.has("format")) return "string";
  if (schema.has("minimum") || schema.has("maximum") || schema.has("multipleOf")) return "number";
  return undefined;
}
