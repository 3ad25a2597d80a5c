// A chart of lines over time, as SVG, with a legend that tells the values and a table of them.

import { axisOf } from "./axis.js";
import { el } from "../shared/dom.js";
import { keyed, put } from "../shared/keyed.js";
import { clock, none, plain } from "../shared/units.js";

// Sizes in pixels: of the picture, and of the space for the labels of the axes.
const height = 168;
const margin = { left: 58, right: 10, top: 10, bottom: 22 };

// How many series are drawn, which have a colour and dashes of their own each.
const styles = 8;

// How many rows the table has at most.
const tableRows = 60;

const svg = (name, attributes = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
};

export class Chart {
  samples = []; // those of the window
  names = []; // the series that are drawn
  looks = new Map(); // the style of a series, which it keeps
  at = null; // the time that is looked at, null for the last

  constructor(figure) {
    this.figure = figure;
    this.when = el("span", { class: "when" });
    this.picture = svg("svg", { "aria-hidden": "true", height });
    this.plot = el("div", {
      class: "plot", tabindex: "0", role: "slider", "aria-orientation": "horizontal",
      "aria-label": `${figure.title} ${figure.says}. The arrow keys go through time`,
      onpointermove: (event) => this.point(event), onpointerdown: (event) => this.point(event),
      onpointerleave: () => document.activeElement === this.plot || this.look(null),
      // While it has the focus, a time is looked at, so that a screen reader is not told of each new one.
      onfocus: () => this.samples.length && this.look(this.samples.at(-1).at), onblur: () => this.look(null), onkeydown: (event) => this.key(event),
    }, this.picture);
    const legend = el("ul", { class: "legend" });
    this.legend = keyed(legend, (series) => series.name, (series) => this.entry(series));
    this.empty = el("p", { class: "note empty-chart" });
    this.table = el("details", { ontoggle: () => this.tabulate() }, el("summary", {}, "As a table"));
    this.element = el("figure", { class: "chart", "data-figure": figure.name },
      el("figcaption", {}, el("h3", {}, figure.title), el("span", { class: "note" }, figure.says), this.when),
      this.plot, this.empty, legend, this.table);
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.plot);
  }

  close() {
    this.sizes.disconnect();
  }

  // show draws the samples of the time from start to end.
  show(samples, start, end) {
    Object.assign(this, { start, end, samples: samples.filter((s) => s.at >= start) });
    const largest = new Map();
    for (const sample of this.samples) {
      for (const [name, value] of sample.values.get(this.figure.name)) largest.set(name, Math.max(largest.get(name) ?? -1, value ?? -1));
    }
    const names = [...largest].sort(([, a], [, b]) => b - a).slice(0, styles).map(([name]) => name);
    this.names = [...largest.keys()].filter((name) => names.includes(name));
    this.hasValues = this.names.some((name) => largest.get(name) >= 0);
    this.dress();
    this.draw();
    this.tabulate();
  }

  // dress gives each series that is drawn a style of its own, and keeps those given.
  dress() {
    for (const name of this.looks.keys()) if (!this.names.includes(name)) this.looks.delete(name);
    const free = [...Array(styles).keys()].filter((i) => ![...this.looks.values()].includes(i));
    for (const name of this.names) if (!this.looks.has(name)) this.looks.set(name, free.shift());
  }

  entry({ name }) {
    const value = el("b");
    const look = `line look-${this.looks.get(name)}`;
    return {
      element: el("li", {}, svg("svg", { width: 26, height: 10, "aria-hidden": "true" }, svg("path", { class: look, d: "M1 5H25" })), el("bdi", {}, plain(name)), value),
      update: (series) => put(value, series.value === undefined ? none : this.figure.unit(series.value)),
    };
  }

  draw() {
    const width = Math.round(this.plot.clientWidth);
    if (!width || this.start === undefined) return;
    const top = this.samples.reduce((most, s) => Math.max(most, ...this.names.map((name) => this.value(s, name) ?? 0)), 0);
    const axis = axisOf(top, this.figure.scale);
    const x = (at) => margin.left + (width - margin.left - margin.right) * (at - this.start) / (this.end - this.start);
    const y = (value) => margin.top + (height - margin.top - margin.bottom) * (1 - value / axis.top);
    this.x = x;
    const parts = axis.ticks.map((tick) => svg("g", { class: "tick" },
      svg("path", { d: `M${margin.left} ${y(tick).toFixed(1)}H${width - margin.right}` }),
      svg("text", { x: margin.left - 6, y: (y(tick) + 4).toFixed(1), "text-anchor": "end" }, this.figure.unit(tick))));
    const hour = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
    for (const [at, anchor] of [[this.start, "start"], [(this.start + this.end) / 2, "middle"], [this.end, "end"]]) {
      parts.push(svg("text", { x: x(at).toFixed(1), y: height - 6, "text-anchor": anchor, class: "hour" }, hour.format(at)));
    }
    for (const name of this.names) {
      parts.push(svg("path", { class: `line look-${this.looks.get(name)}`, d: line(this.samples, (s) => this.value(s, name), x, y) }));
    }
    const looked = this.looked();
    if (looked && this.at !== null) {
      parts.push(svg("path", { class: "cross", d: `M${x(looked.at).toFixed(1)} ${margin.top}V${height - margin.bottom}` }));
      for (const name of this.names) {
        const value = this.value(looked, name);
        if (value !== undefined) parts.push(svg("circle", { class: `dot-${this.looks.get(name)}`, cx: x(looked.at).toFixed(1), cy: y(value).toFixed(1), r: 4 }));
      }
    }
    this.picture.setAttribute("width", width);
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.picture.replaceChildren(...parts);
    this.tell(looked);
  }

  // value is that of a series in a sample. What is not named there was zero, in some figures.
  value(sample, name) {
    return sample.values.get(this.figure.name).get(name) ?? (this.figure.sparse && sample.measured ? 0 : undefined);
  }

  // looked is the sample that is looked at.
  looked() {
    if (this.at === null) return this.samples.at(-1);
    return this.samples.reduce((best, s) => (!best || Math.abs(s.at - this.at) < Math.abs(best.at - this.at) ? s : best), null);
  }

  tell(sample) {
    this.legend(this.names.map((name) => ({ name, value: sample && this.value(sample, name) })));
    put(this.empty, this.hasValues ? "" : this.samples.length > 1 ? this.figure.empty ?? "No values." : "Measuring.");
    put(this.when, !sample ? "" : this.at === null ? "now" : clock(sample.at));
    const says = this.names.filter((name) => sample && this.value(sample, name) !== undefined).map((name) => `${plain(name)} ${this.figure.unit(this.value(sample, name))}`);
    const last = this.samples.length - 1;
    const now = { "aria-valuemin": "0", "aria-valuemax": String(Math.max(0, last)), "aria-valuenow": String(Math.max(0, this.samples.indexOf(sample))) };
    for (const [name, value] of Object.entries(now)) this.plot.setAttribute(name, value);
    this.plot.setAttribute("aria-valuetext", sample ? `${clock(sample.at)}: ${says.join(", ") || "no values"}` : "no values");
  }

  look(at) {
    if (at === this.at) return;
    this.at = at;
    this.draw();
  }

  point(event) {
    if (!this.x || !this.samples.length) return;
    const at = event.clientX - this.plot.getBoundingClientRect().left;
    this.look(this.start + (this.end - this.start) * (at - this.x(this.start)) / (this.x(this.end) - this.x(this.start)));
  }

  key(event) {
    const last = this.samples.length - 1;
    const now = this.samples.indexOf(this.looked());
    const to = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageDown: now - 12, PageUp: now + 12, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.look(null);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.look(this.samples[Math.min(last, Math.max(0, to))].at);
  }

  // tabulate fills the table, while it is open, with a row for each of some stretches of time:
  // the means of the values in it.
  tabulate() {
    if (!this.table.open) return;
    const stretch = Math.max(5000, Math.ceil((this.end - this.start) / tableRows / 5000) * 5000);
    const stretches = Map.groupBy(this.samples, (s) => Math.floor(s.at / stretch) * stretch);
    const mean = (samples, name) => {
      const values = samples.map((s) => this.value(s, name)).filter((v) => v !== undefined);
      return values.length ? this.figure.unit(values.reduce((sum, v) => sum + v, 0) / values.length) : none;
    };
    const names = JSON.stringify([stretch, this.names]);
    if (this.tabulated !== names) this.tabulateAnew(stretch);
    this.tabulated = names;
    this.lines([...stretches].reverse().slice(0, tableRows).map(([at, samples]) => [at, this.names.map((name) => mean(samples, name))]));
  }

  // tabulateAnew makes an empty table. Its rows then stay, so that who reads them is not disturbed.
  tabulateAnew(stretch) {
    const body = el("tbody");
    this.lines = keyed(body, ([at]) => at, ([at, values]) => {
      const cells = values.map(() => el("td", { class: "number" }));
      return {
        element: el("tr", {}, el("th", { scope: "row" }, clock(at)), cells),
        update: ([, texts]) => texts.forEach((text, i) => put(cells[i], text)),
      };
    });
    const table = el("table", {}, el("caption", { class: "unseen" }, `${this.figure.title} ${this.figure.says}, means of ${stretch / 1000} s, the latest first`),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "From"), this.names.map((name) => el("th", { scope: "col", class: "number" }, plain(name))))),
      body);
    this.table.querySelector(".inner")?.remove();
    this.table.append(el("div", { class: "inner", role: "region", tabindex: "0", "aria-label": `${this.figure.title} as a table` }, table));
  }
}

// line is the path of a series, broken where a sample is missing or there was a gap.
function line(samples, valueOf, x, y) {
  let path = "";
  let drawn = false;
  for (const sample of samples) {
    const value = valueOf(sample);
    if (value === undefined) {
      drawn = false;
      continue;
    }
    const place = `${x(sample.at).toFixed(1)} ${y(value).toFixed(1)}`;
    // A point by itself is a dot, by the round ends of the line.
    path += drawn && !sample.gap ? `L${place}` : `M${place}h.01`;
    drawn = true;
  }
  return path;
}
