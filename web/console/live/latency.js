// How long records take from their timestamp to the screen: a histogram of the last seconds, and
// two quantiles. It means something only while the clocks agree.

import { bars, setHeights } from "./chart.js";

// Buckets rise by a factor, from the first bound in ms; the last has all that is longer. The
// histogram has the samples of one to two spans.
const buckets = 40;
const first = 1;
const factor = 1.33;
const span = 10000;

// How far the server's clock may be from this one, in ms, and what share of records may be from
// the future.
const mostApart = 1000;
const mostAhead = 0.05;

export class Latency {
  constructor(element, label, figures) {
    Object.assign(this, { element, label, figures });
    this.bars = bars(element, buckets);
    this.reset();
  }

  reset() {
    this.old = new Uint32Array(buckets);
    this.now = new Uint32Array(buckets);
    this.ahead = 0;
    this.began = Date.now();
  }

  // sample takes the time that a record took, in ms.
  sample(ms) {
    if (ms < 0) this.ahead++;
    const bucket = ms <= first ? 0 : Math.ceil(Math.log(ms / first) / Math.log(factor));
    this.now[Math.min(buckets - 1, bucket)]++;
  }

  // draw draws; apart is how far the server's clock is ahead, in ms, and coarse whether that is
  // known to a second only.
  draw({ ahead: apart, coarse }) {
    if (Date.now() - this.began > span) {
      this.old = this.now;
      this.now = new Uint32Array(buckets);
      this.began = Date.now();
      this.aheadBefore = this.ahead;
      this.ahead = 0;
    }
    const all = Array.from(this.now, (n, i) => n + this.old[i]);
    const total = all.reduce((a, b) => a + b, 0);
    const off = Math.abs(apart ?? 0) > mostApart * (coarse ? 2 : 1);
    const future = this.ahead + (this.aheadBefore ?? 0) > mostAhead * total;
    const says = off ? `clocks differ by ${(Math.abs(apart) / 1000).toFixed(1)} s`
      : total && future ? "records are from the future: clocks differ"
      : !total ? "no live records yet"
      : "record time to screen";
    if (this.label.textContent !== says) this.label.textContent = says;
    const known = total > 0 && !off && !future;
    this.element.classList.toggle("unknown", !known);
    setHeights(this.bars, known ? all : all.fill(0), 20);
    const text = known ? `p50 ${written(quantile(all, total, 0.5))} · p99 ${written(quantile(all, total, 0.99))}` : "–";
    if (this.figures.textContent !== text) this.figures.textContent = text;
    this.element.setAttribute("aria-label", known ? `Latency: ${text}` : `Latency: ${says}`);
  }
}

// quantile is the upper bound of the bucket that a share of all samples is within.
function quantile(all, total, share) {
  let seen = 0;
  const at = all.findIndex((n) => (seen += n) >= share * total);
  return first * factor ** at;
}

const written = (ms) => (ms < 1000 ? `${Math.ceil(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
