// Reads the text of Protobuf files (proto2, proto3, editions): their messages and enums, with
// the comments before them. What a form does not need, options and services among it, is
// skipped.

const mostTokens = 400_000;
const deepest = 64;

const lexeme = /\s+|\/\/([^\n]*)|\/\*([\s\S]*?)\*\/|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'|\.?[A-Za-z_][\w.]*|[-+]?[\d.][\w.+-]*|[^\s\w]/y;

// tokens returns the tokens of a text, each with the comment that stands before it.
function tokens(text) {
  const all = [];
  let comment = "";
  let trails = false; // a comment on the line of a token is none of the next one
  lexeme.lastIndex = 0;
  for (let match; (match = lexeme.exec(text)); ) {
    const [token, line, block] = match;
    // What has no end would be looked for again from each of its characters.
    if (token === '"' || token === "'" || (token === "/" && text[lexeme.lastIndex] === "*")) throw new SyntaxError("A string or comment of the schema has no end.");
    if (line !== undefined && trails) continue;
    if (line !== undefined || block !== undefined) comment += `${line ?? block.replace(/^[ \t]*\*/gm, "")}\n`;
    else if (token.trim() === "") {
      if (token.includes("\n")) trails = false;
      if (/\n\s*\n/.test(token)) comment = "";
    } else {
      trails = true;
      all.push({ text: token, comment: comment.replace(/\s+/g, " ").trim() });
      comment = "";
    }
    if (all.length > mostTokens) throw new SyntaxError("The schema is too long for a form.");
  }
  if (lexeme.lastIndex !== 0 && lexeme.lastIndex < text.length) throw new SyntaxError("The schema is not understood here.");
  return all;
}

// readProtobuf returns the types by full name, and the names of the messages of the first
// file, in its order: the text of a schema is followed by the files that it imports.
export function readProtobuf(text) {
  const all = tokens(text);
  const types = new Map();
  const first = [];
  let at = 0;
  let files = 0;
  let space = "";

  const peek = () => all[at]?.text;
  const next = () => {
    if (at >= all.length) throw new SyntaxError("The schema ends too early.");
    return all[at++].text;
  };
  const take = (text) => peek() === text && (at++, true);
  // skip goes over a statement: to its semicolon, or to the end of its block.
  const skip = () => {
    for (let depth = 0; at < all.length; ) {
      const token = next();
      if ("{[(".includes(token)) depth++;
      if ("}])".includes(token)) {
        depth--;
        if (depth === 0 && token === "}" && peek() !== ";") return;
      }
      if (token === ";" && depth <= 0) return;
    }
  };
  const within = (scope, name) => (scope ? `${scope}.${name}` : name);

  function message(scope, depth, comment) {
    if (depth > deepest) throw new SyntaxError("The schema is too deep for a form.");
    const name = within(scope, next());
    const type = { kind: "message", name, comment, fields: [] };
    types.set(name, type);
    if (files < 2) first.push(name);
    body(type, depth);
  }

  function body(type, depth) {
    next(); // {
    while (!take("}")) statement(type, depth);
  }

  function statement(type, depth) {
    const { text, comment } = all[at] ?? {};
    if (text === ";") at++;
    else if (text === "message" && all[at + 2]?.text === "{") { at++; message(type.name, depth + 1, comment); }
    else if (text === "enum" && all[at + 2]?.text === "{") { at++; enumeration(type.name, comment); }
    else if (text === "oneof" && all[at + 2]?.text === "{") {
      at++;
      const oneof = next();
      next(); // {
      while (!take("}")) field(type, depth, { oneof });
    } else if (["option", "reserved", "extensions", "extend"].includes(text)) skip();
    else field(type, depth, {});
  }

  function field(type, depth, more) {
    const { comment } = all[at] ?? {};
    if (take("option") || take(";")) {
      if (all[at - 1].text === "option") skip();
      return;
    }
    let label = "";
    if (["optional", "required", "repeated"].includes(peek())) label = next();
    const f = { comment, label, options: new Map(), ...more };
    if (peek() === "map" && all[at + 1]?.text === "<") {
      at += 2;
      f.key = next();
      next(); // ,
      f.type = next();
      next(); // >
    } else f.type = next();
    f.name = next();
    if (!take("=")) throw new SyntaxError(`A number is expected after the field ${f.name.slice(0, 100)}.`);
    next();
    if (take("[")) options(f.options);
    if (f.type === "group") {
      const group = { kind: "message", name: within(type.name, f.name), comment, fields: [] };
      types.set(group.name, group);
      f.type = f.name;
      f.name = f.name.toLowerCase();
      body(group, depth + 1);
    } else take(";");
    type.fields.push(f);
  }

  // options are plain names with a value; others are skipped.
  function options(into) {
    for (let depth = 0, name = ""; at < all.length; ) {
      const token = next();
      if ("[{(".includes(token)) depth++;
      else if (token === "]" && depth === 0) return;
      else if ("]})".includes(token)) depth--;
      else if (depth === 0 && token === ",") name = "";
      else if (depth === 0 && token === "=") into.set(name, peek());
      else if (depth === 0 && !name) name = token;
    }
  }

  function enumeration(scope, comment) {
    const name = within(scope, next());
    const type = { kind: "enum", name, comment, values: [] };
    types.set(name, type);
    next(); // {
    while (!take("}")) {
      if (["option", "reserved"].includes(peek()) && all[at + 1]?.text !== "=") skip();
      else if (!take(";")) {
        type.values.push(next());
        skip();
      }
    }
  }

  while (at < all.length) {
    const { text, comment } = all[at];
    if (text === "syntax" || text === "edition") {
      files++;
      space = "";
      skip();
    } else if (text === "package") {
      at++;
      space = next();
      take(";");
    } else if (text === "message") { at++; message(space, 0, comment); }
    else if (text === "enum") { at++; enumeration(space, comment); }
    else skip();
  }
  return { types, first };
}
