// The view Health: whether this instance is ready, what it does, and how that was lately.
//
// The modules: checks.js are those of /readyz and streams.js the streams; collector.js keeps an
// hour of metrics, which prometheus.js reads, figures.js says which are drawn, and chart.js, with
// axis.js, draws them.

import { Chart } from "./chart.js";
import { Checks } from "./checks.js";
import { collector, ofTenant } from "./collector.js";
import { figures, tables } from "./figures.js";
import { Streams } from "./streams.js";
import { $, el } from "../shared/dom.js";
import { keyed, put } from "../shared/keyed.js";
import { setState } from "../shared/state.js";
import { count, moment, plain, span } from "../shared/units.js";

export const health = { name: "health", title: "Health", allowed: (principal) => principal.admin === true, open };

function open(root, context) {
  const checks = new Checks();
  const streams = new Streams();
  const charts = figures.map((figure) => new Chart(figure));
  const told = tables.map((table) => new Told(table));
  $("health-charts").append(...charts.map((chart) => chart.element));
  $("health-tables").append(...told.map((table) => table.element));
  const wanted = $("health-window");
  const last = context.parameters.get("last");
  if ([...wanted.options].some((option) => option.value === last)) wanted.value = last;
  wanted.addEventListener("change", () => {
    context.note("health", { last: wanted.value });
    drawCharts();
  });

  for (const section of root.querySelectorAll("[data-whole]")) section.hidden = ofTenant();
  $("health-tenant").hidden = !ofTenant();

  function drawCharts() {
    const end = collector.samples.at(-1)?.at ?? Date.now();
    for (const chart of charts) chart.show(collector.samples, end - Number(wanted.value), end);
  }

  function draw() {
    const { instance, interval, fault, instanceFault } = collector;
    if (instance) {
      put($("health-instance"), [instance.instance ? `Instance ${plain(instance.instance)}` : "This instance", instance.version ? `version ${plain(instance.version)}` : "",
        instance.started ? `up ${span(Date.now() - instance.started)}` : "", `${count(instance.sessions)} sessions`].filter(Boolean).join(" · "));
      $("health-instance").title = instance.started ? `started ${moment(instance.started)}` : "";
    }
    if (instance && !instanceFault) checks.show(instance.ready ?? {}, collector.checks);
    else if (instanceFault) checks.unknown(instanceFault);
    put($("health-note"), [
      fault ? `No new metrics: ${fault}.` : "",
      collector.several ? "The answers come from several instances, so that rates cannot be told: open the console at the address of one." : "",
    ].filter(Boolean).join(" "));
    drawCharts();
    if (interval) for (const table of told) table.show(interval);
  }

  async function refresh() {
    if (!ofTenant()) draw();
    const missing = await streams.load();
    const fault = collector.fault || collector.instanceFault || missing;
    if (!streams.ended.signal.aborted) setState(fault ? "failed" : "live", fault || "Up to date");
  }

  setState("working", "Loading");
  if (collector.samples.length) refresh();
  else drawCharts();
  const stop = collector.listen(refresh);
  return {
    close() {
      stop();
      streams.close();
      for (const chart of charts) chart.close();
    },
  };
}

// Told is a table of figures in words.
class Told {
  constructor({ title, rows }) {
    this.rows = rows;
    const body = el("tbody");
    this.list = keyed(body, ([name]) => name, ([name]) => {
      const cell = el("td", { class: "number" });
      return { element: el("tr", {}, el("th", { scope: "row" }, name), cell), update: ([, text]) => put(cell, text) };
    });
    this.element = el("table", { class: "told" }, el("caption", {}, title), body);
  }

  show(interval) {
    const told = this.rows.map(([name, of, unit]) => [name, unit(of(interval))]).filter(([, text]) => text !== undefined);
    this.list(told);
    this.element.hidden = told.length === 0;
  }
}
