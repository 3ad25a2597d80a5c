// What is read, in the address: #live?stream=a&stream=b.*&from=-5m&key=k.
//
// A parameter holds for all streams that stand before it and have none of their own yet. One that
// stands before all streams holds for the first.

export const start = "last:100"; // where reading starts unless the address says otherwise

const names = ["from", "key", "filter"];

// parse returns what is read: a list of { stream, from, key, filter }.
export function parse(parameters) {
  const panes = [];
  const early = {};
  for (const [name, value] of parameters) {
    if (name === "stream") panes.push({ stream: value, ...(panes.length ? {} : early) });
    else if (!names.includes(name)) continue;
    else if (!panes.length) early[name] = value;
    else for (const pane of panes) pane[name] ??= value;
  }
  if (!panes.length) panes.push({ stream: "", ...early });
  return panes.map((pane) => ({ from: start, key: "", filter: "", ...pane }));
}

// format returns the parameters of an address, from which parse makes the same.
export function format(panes) {
  return panes.flatMap((pane, i) => [
    ["stream", pane.stream],
    ...names.filter((name) => name === "from" || panes.slice(i).some((later) => later[name])).map((name) => [name, pane[name]]),
  ]);
}

export const same = (a, b) => JSON.stringify(format(a)) === JSON.stringify(format(b));
