// JSON values whose numbers keep their digits.
//
// JSON.parse makes a double of a number, and with it 9007199254740993 an even one. Here
// a number is a Digits, an object a Map (so that no name is special), an array an array,
// and the rest what JavaScript has for it.

// The deepest value that is read: the forms and the printing of it recurse.
const deepest = 200;

// Digits is a number as it was written.
export class Digits {
  constructor(text) {
    this.text = text;
  }
}

const space = /[ \t\n\r]*/y;
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const words = new Map([["true", true], ["false", false], ["null", null]]);

// isNumber says whether a text is a number of JSON (RFC 8259, section 6).
export function isNumber(text) {
  number.lastIndex = 0;
  return number.exec(text)?.[0].length === text.length && text !== "";
}

// parse reads a text. What it throws says the line and the column of the fault.
export function parse(text) {
  let at = 0;

  const fail = (message) => {
    const before = text.slice(0, at);
    const line = before.split("\n").length;
    throw new SyntaxError(`Line ${line}, column ${at - before.lastIndexOf("\n")}: ${message}`);
  };
  const skip = () => {
    space.lastIndex = at;
    space.exec(text);
    at = space.lastIndex;
  };
  const take = (mark) => {
    skip();
    if (text[at] !== mark) return false;
    at++;
    return true;
  };

  function string() {
    const start = at++;
    for (let c; (c = text.charCodeAt(at)) !== 0x22; at++) {
      if (!(c >= 0x20)) fail(at < text.length ? "a line end or control character must be escaped in a string" : "the string has no end");
      if (c === 0x5c) at++;
    }
    at++;
    try {
      return JSON.parse(text.slice(start, at));
    } catch {
      at = start;
      return fail("the string has an unknown escape");
    }
  }

  function object(depth) {
    const members = new Map();
    at++;
    if (take("}")) return members;
    do {
      skip();
      if (text[at] !== '"') fail("a name in double quotes is expected");
      const start = at;
      const name = string();
      if (members.has(name)) {
        at = start;
        fail("the name is there twice");
      }
      if (!take(":")) fail("a colon is expected");
      members.set(name, value(depth + 1));
    } while (take(","));
    if (!take("}")) fail("a comma or } is expected");
    return members;
  }

  function array(depth) {
    const items = [];
    at++;
    if (take("]")) return items;
    do items.push(value(depth + 1)); while (take(","));
    if (!take("]")) fail("a comma or ] is expected");
    return items;
  }

  function value(depth) {
    skip();
    if (depth > deepest) fail(`more than ${deepest} levels`);
    const c = text[at];
    if (c === "{") return object(depth);
    if (c === "[") return array(depth);
    if (c === '"') return string();
    number.lastIndex = at;
    const digits = number.exec(text)?.[0];
    if (digits) {
      at += digits.length;
      return new Digits(digits);
    }
    for (const [word, meaning] of words) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    return fail(c === undefined ? "a value is expected" : "this begins no value of JSON");
  }

  const whole = value(0);
  skip();
  if (at < text.length) fail("there is more after the value");
  return whole;
}

// print writes a value, laid out with an indent, or on one line without.
export function print(value, indent = "", line = "\n") {
  const inner = line + indent;
  const end = indent && line;
  const list = (open, parts, close) =>
    parts.length ? open + parts.map((part) => (indent && inner) + part).join(indent ? "," : ", ") + end + close : open + close;
  if (value instanceof Digits) return value.text;
  if (value instanceof Map) return list("{", [...value].map(([name, member]) => `${JSON.stringify(name)}: ${print(member, indent, inner)}`), "}");
  if (Array.isArray(value)) return list("[", value.map((item) => print(item, indent, inner)), "]");
  return JSON.stringify(value);
}

// typeOf names the type of a value, as JSON Schema does.
export function typeOf(value) {
  if (value instanceof Digits) return "number";
  if (value instanceof Map) return "object";
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value;
}

// copy returns a value that shares nothing with another that can change.
export function copy(value) {
  if (value instanceof Map) return new Map([...value].map(([name, member]) => [name, copy(member)]));
  return Array.isArray(value) ? value.map(copy) : value;
}

export const equal = (a, b) => print(a) === print(b);
