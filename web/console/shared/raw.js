// The parts of a JSON text as they were sent. What JSON.parse returns has lost the digits that
// a double cannot hold.

const token = /"[^"\\]*(?:\\[^][^"\\]*)*"|[{}[\],:]/g;

// parts calls back with each member or element of a text, which is well formed: with the text of
// its name, "" in an array, and with its own.
function parts(text, found) {
  let depth = 0;
  let name = "";
  let start = 0;
  for (const { 0: piece, index } of text.matchAll(token)) {
    if (piece === "{" || piece === "[") {
      if (++depth === 1) start = index + 1;
    } else if (depth === 1 && piece === ":") {
      name = text.slice(start, index).trim();
      start = index + 1;
    } else if (piece === "}" || piece === "]" || piece === ",") {
      if (depth === 1) {
        const part = text.slice(start, index).trim();
        if (part) found(name, part);
        start = index + 1;
      }
      if (piece !== ",") depth--;
    }
  }
}

// members returns the texts of an object's members, by name.
export function members(text) {
  const all = {};
  parts(text, (name, part) => { all[JSON.parse(name)] = part; });
  return all;
}

// elements returns the texts of an array's elements.
export function elements(text) {
  const all = [];
  parts(text, (_, part) => all.push(part));
  return all;
}
