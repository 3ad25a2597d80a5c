// JSON for people: laid out and coloured, without touching the digits.

// A parsed number has lost what a double cannot hold, so the text itself is
// walked instead. It has been parsed once, so it is well formed.
const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;

// How long a list of plain values may be to stand on one line.
const lineLength = 60;

// How many levels are indented. Each line repeats the indent, so without a bound a text of brackets
// alone grows with the square of its length.
const deepest = 50;

// inlineEnd is where the list that begins at a token ends, if it is short and
// holds no other, else -1.
function inlineEnd(tokens, start) {
  let length = 0;
  for (let i = start + 1; i < tokens.length && length <= lineLength; i++) {
    if (tokens[i] === "]") return i;
    if (tokens[i] === "[" || tokens[i] === "{") return -1;
    length += tokens[i].length + 1;
  }
  return -1;
}

export function show(text, into) {
  const parts = document.createDocumentFragment();
  const tokens = text.match(token) ?? [];
  let depth = 0;
  let inline = -1; // the end of the list that stands on one line
  const put = (kind, text) => {
    if (!kind) {
      parts.append(text);
      return;
    }
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = text;
    parts.append(span);
  };
  const line = () => parts.append("\n" + "  ".repeat(Math.min(depth, deepest)));
  tokens.forEach((text, i) => {
    const next = tokens[i + 1];
    switch (text) {
      case "{": case "[":
        put("", text);
        if (text === "[") inline = inlineEnd(tokens, i);
        if (inline >= 0) return;
        depth++;
        if (next !== "}" && next !== "]") line();
        return;
      case "}": case "]": {
        if (i === inline) {
          put("", text);
          inline = -1;
          return;
        }
        depth--;
        const before = tokens[i - 1];
        if (before !== "{" && before !== "[") line();
        put("", text);
        return;
      }
      case ",":
        put("", text);
        if (inline >= 0) parts.append(" ");
        else line();
        return;
      case ":":
        put("", ": ");
        return;
    }
    if (text[0] === '"') put(next === ":" ? "name" : "string", text);
    else put(text[0] === "-" || (text[0] >= "0" && text[0] <= "9") ? "number" : "word", text);
  });
  into.replaceChildren(parts);
}
