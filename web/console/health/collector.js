// The collector of metrics. It begins when Health is first shown, and goes on while the page
// is open, whatever view is shown: the last hour is kept in the memory of the page.

import { figures, wanted } from "./figures.js";
import { Interval, parse } from "./prometheus.js";
import { faultText, patient } from "../shared/faults.js";
import { Refused, server } from "../shared/server.js";

// How often it asks, and how long it keeps the answers, in ms.
export const every = 5000;
export const kept = 3600_000;

// The shortest time between two answers, in ms.
const soon = 1000;

// After how long without an answer there is a gap: the page was asleep, or nobody answered.
const gapAfter = 3 * every;

// How large an answer may be.
const largestText = 32 << 20;

// By how much the clocks of a server and a page may differ in when a process has begun.
const clockError = 2000;

// A principal of a tenant may not know what concerns the instance as a whole.
export const ofTenant = () => Boolean(server.principal.tenant);

class Collector {
  samples = []; // { at, gap, measured, values: by figure, by series }, the oldest first. measured if there are rates
  interval = null; // the last one
  fault = ""; // why there is no new one
  instance = null; // what the server tells of itself
  instanceFault = "";
  checks = new Map(); // by name: { says, since, known }
  several = false; // the answers come from more than one instance
  last = null; // the last scrape: { found, at, server, started }
  listeners = new Set();
  timer = 0;
  running = false;

  // listen calls a function after each answer, until the returned function is called.
  listen(listener) {
    this.listeners.add(listener);
    if (!this.running) {
      this.running = true;
      this.collect();
    }
    return () => this.listeners.delete(listener);
  }

  // forget ends the collection: what was collected belongs to the principal that it was for.
  forget() {
    clearTimeout(this.timer);
    this.asking?.abort();
    Object.assign(this, {
      samples: [], interval: null, fault: "", instance: null, instanceFault: "", checks: new Map(), several: false, last: null, running: false,
    });
  }

  async collect() {
    const asking = this.asking = new AbortController();
    const began = performance.now();
    const signal = patient(asking.signal);
    if (!ofTenant()) await Promise.all([this.scrape(signal, asking.signal), this.identify(signal, asking.signal)]);
    if (asking.signal.aborted) return;
    for (const listener of [...this.listeners]) listener();
    // Two answers make a rate, so that the second is asked for soon.
    const wait = this.samples.length === 1 ? soon : every - (performance.now() - began);
    this.timer = setTimeout(() => this.collect(), Math.max(soon, wait));
  }

  async scrape(signal, ended) {
    try {
      const response = await server.fetch("v1/admin/metrics", { signal, headers: { accept: "text/plain" } });
      const text = await response.text();
      if (!response.ok) throw new Refused(response.status, problemOf(text));
      if (text.length > largestText) throw new Error("the metrics are too large for this page");
      if (ended.aborted) return;
      this.add(parse(text, wanted), Date.now(), Date.parse(response.headers.get("date")));
      this.fault = "";
    } catch (error) {
      if (!ended.aborted) this.fault = faultText(error);
    }
  }

  // add takes a scrape of a moment, by the clock of the page and by that of the server.
  add(found, at, clock) {
    const started = (found.get("process_start_time_seconds")?.[0]?.value ?? 0) * 1000;
    const { last } = this;
    let before = null;
    if (last && started === last.started) before = last.found;
    else if (last && started + clockError >= (last.clock || last.at)) before = new Map(); // a restart
    else if (last) this.several = true;
    this.interval = new Interval(found, before, last ? (at - last.at) / 1000 : 0);
    const gap = !last || at - last.at > gapAfter;
    const values = new Map(figures.map((figure) => [figure.name,
      new Map(figure.of(this.interval).map(([series, value]) => [series, Number.isFinite(value) ? value : undefined]))]));
    this.samples.push({ at, gap, measured: before !== null, values });
    while (this.samples.length && at - this.samples[0].at > kept) this.samples.shift();
    this.last = { found, at, clock, started };
  }

  async identify(signal, ended) {
    try {
      const instance = await server.get("v1/admin/instance", signal);
      if (ended.aborted) return;
      this.instance = instance;
      this.instanceFault = "";
      this.note(instance.ready?.checks ?? {}, Date.now());
    } catch (error) {
      if (!ended.aborted) this.instanceFault = faultText(error);
    }
  }

  // note keeps since when each check says what it says. known is whether the change was seen.
  note(checks, now) {
    const first = this.checks.size === 0;
    const noted = new Map();
    for (const [name, says] of Object.entries(checks)) {
      const before = this.checks.get(name);
      const same = before && (before.says === "ok") === (says === "ok");
      noted.set(name, same ? { ...before, says } : { says, since: now, known: !first });
    }
    this.checks = noted;
  }
}

function problemOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

export const collector = new Collector();

// Another principal begins anew.
server.on("principal", () => collector.forget());
