// The checks of /readyz, in words.

import { $, el } from "../shared/dom.js";
import { keyed, put } from "../shared/keyed.js";
import { clock, plain, span } from "../shared/units.js";

// How many checks are shown; those that fail come first.
const checksShown = 200;

// How much of a reason is shown.
const reasonLength = 500;

const states = {
  ok: { word: "ok", sign: "✓" },
  degraded: { word: "degraded", sign: "!" },
  failing: { word: "fails", sign: "✕" },
};

export class Checks {
  constructor() {
    this.list = keyed($("health-checks"), (check) => check.name, item);
  }

  // show takes what the instance tells of its readiness, and since when the checks say so.
  show(ready, checks) {
    const stateOf = (name, says) => (says === "ok" ? "ok" : (ready.degraded ?? []).includes(name) ? "degraded" : "failing");
    const rank = { failing: 0, degraded: 1, ok: 2 };
    const all = [...checks].map(([name, check]) => ({ name, ...check, state: stateOf(name, check.says) }))
      .sort((a, b) => rank[a.state] - rank[b.state] || (a.name < b.name ? -1 : 1));
    this.list(all.slice(0, checksShown));
    put($("health-checks-none"), all.length > checksShown ? `${all.length - checksShown} more checks are not shown.` : "");

    const failing = all.filter((check) => check.state === "failing").length;
    const degraded = all.filter((check) => check.state === "degraded").length;
    const verdict = $("health-verdict");
    verdict.dataset.verdict = !ready.ready ? "failing" : degraded ? "degraded" : "ok";
    put(verdict, !ready.ready ? `✕ Not ready: ${number(failing, "required check")} fail${failing === 1 ? "s" : ""}. Clients should not be sent here`
      : degraded ? `! Ready, but degraded: ${number(degraded, "check")} that the instance can do without fail${degraded === 1 ? "s" : ""}`
        : `✓ Ready: all ${number(all.length, "check")} pass${all.length === 1 ? "es" : ""}`);
  }

  // unknown is shown if nothing is told.
  unknown(fault) {
    const verdict = $("health-verdict");
    verdict.dataset.verdict = "unknown";
    put(verdict, `? Not known: ${fault}`);
  }
}

const number = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

function item() {
  const sign = el("span", { class: "sign", "aria-hidden": "true" });
  const [name, state, since, reason] = [el("bdi", { class: "name" }), el("span", { class: "says" }), el("span", { class: "note since" }), el("p", { class: "reason" })];
  const element = el("li", {}, sign, name, state, since, reason);
  return {
    element,
    update(check) {
      element.dataset.state = check.state;
      put(sign, states[check.state].sign);
      put(name, plain(check.name));
      put(state, states[check.state].word);
      // In steps, so that not every list of checks changes with every answer.
      const lasted = Math.floor((Date.now() - check.since) / 10000) * 10000;
      put(since, check.known ? `since ${clock(check.since)}` : lasted ? `for at least ${span(lasted)}` : "first seen just now");
      reason.hidden = check.says === "ok";
      put(reason, check.says === "ok" ? "" : plain(check.says, reasonLength));
    },
  };
}
