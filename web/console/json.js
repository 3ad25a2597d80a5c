// JSON for people: laid out and coloured, without touching the digits.

// A parsed number has lost what a double cannot hold, so the text itself is
// walked instead. It has been parsed once, so it is well formed.
const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;

export function show(text, into) {
  const parts = document.createDocumentFragment();
  const tokens = text.match(token) ?? [];
  let depth = 0;
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
  const line = () => parts.append("\n" + "  ".repeat(depth));
  tokens.forEach((text, i) => {
    const next = tokens[i + 1];
    switch (text) {
      case "{": case "[":
        put("", text);
        depth++;
        if (next !== "}" && next !== "]") line();
        return;
      case "}": case "]": {
        depth--;
        const before = tokens[i - 1];
        if (before !== "{" && before !== "[") line();
        put("", text);
        return;
      }
      case ",":
        put("", text);
        line();
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
