// Metrics in the text format of Prometheus (version 0.0.4), and what two scrapes tell.

const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const label = /([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?\s*/gy;
const escapes = { "\\\\": "\\", '\\"': '"', "\\n": "\n" };

const numbers = { __proto__: null, "+Inf": Infinity, Inf: Infinity, "-Inf": -Infinity, NaN };

// parse returns the series of the metrics that are wanted, by name. A series has its labels,
// also as the text that they were, and its value. A line that cannot be read is left out.
export function parse(text, wanted = () => true) {
  const found = new Map();
  const asked = new Map(); // the answers of wanted, which thousands of series share
  for (const line of text.split("\n")) {
    if (line === "" || line[0] === "#") continue;
    const name = line.slice(0, line.search(/[{\s]/));
    if (!asked.has(name)) asked.set(name, wanted(name));
    if (!asked.get(name)) continue;
    const match = sample.exec(line.trimEnd());
    if (!match) continue;
    const labels = labelsOf(match[2] ?? "");
    const value = numbers[match[3]] ?? Number(match[3]);
    if (labels === null || (Number.isNaN(value) && match[3] !== "NaN")) continue;
    if (!found.has(match[1])) found.set(match[1], []);
    found.get(match[1]).push({ text: match[2] ?? "", labels, value });
  }
  return found;
}

function labelsOf(text) {
  const labels = new Map();
  label.lastIndex = 0;
  for (let at = 0; at < text.length; at = label.lastIndex) {
    const match = label.exec(text);
    if (!match) return null;
    labels.set(match[1], match[2].replace(/\\[\\"n]/g, (escape) => escapes[escape]));
  }
  return labels;
}

// Interval is the time between two scrapes. before is null if nothing can be said of it, and
// an empty Map if the process began in it.
export class Interval {
  constructor(now, before, seconds) {
    Object.assign(this, { now, before, seconds });
  }

  series(name) {
    return this.now.get(name) ?? [];
  }

  // value is the sum of a metric over its series, undefined if it has none.
  value(name) {
    const series = this.series(name);
    return series.length ? series.reduce((sum, s) => sum + s.value, 0) : undefined;
  }

  // values are the sums of a metric by a label.
  values(name, by) {
    return this.sums(this.series(name).map((s) => [s.labels.get(by) ?? "", s.value]));
  }

  // increases are by how much each series of a counter has grown. A counter that is smaller
  // than before has begun anew, and one that was not there was zero. A server writes the
  // labels of a series alike each time, so that their text tells it from others.
  increases(name) {
    const before = new Map((this.before?.get(name) ?? []).map((s) => [s.text, s.value]));
    return this.series(name).map((s) => {
      const last = before.get(s.text) ?? 0;
      return { labels: s.labels, value: s.value >= last ? s.value - last : s.value };
    });
  }

  // rate is how much a counter grows in a second, over all its series.
  rate(name) {
    if (!this.before || !this.now.has(name)) return undefined;
    return this.increases(name).reduce((sum, s) => sum + s.value, 0) / this.seconds;
  }

  // rates are those by a label.
  rates(name, by) {
    if (!this.before) return new Map();
    return this.sums(this.increases(name).map((s) => [s.labels.get(by) ?? "", s.value / this.seconds]));
  }

  sums(pairs) {
    const sums = new Map();
    for (const [key, value] of pairs) sums.set(key, (sums.get(key) ?? 0) + value);
    return sums;
  }

  // quantile is a quantile of what a histogram has observed in the interval, undefined if
  // that is nothing. As histogram_quantile of Prometheus, it takes the observations of a
  // bucket for spread evenly over it, and of the last bucket knows the lower bound only.
  quantile(name, q) {
    if (!this.before) return undefined;
    const buckets = [...this.sums(this.increases(`${name}_bucket`).map((s) => [numbers[s.labels.get("le")] ?? Number(s.labels.get("le")), s.value]))]
      .sort(([a], [b]) => a - b);
    const total = buckets.at(-1)?.[1] ?? 0;
    if (!(total > 0)) return undefined;
    const rank = q * total;
    const i = buckets.findIndex(([, n]) => n >= rank);
    const [upper, n] = buckets[i];
    const [lower, below] = i > 0 ? buckets[i - 1] : [0, 0];
    if (upper === Infinity) return lower;
    return n === below ? upper : lower + (upper - lower) * (rank - below) / (n - below);
  }
}
