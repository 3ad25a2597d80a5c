// The trial connection: the JavaScript client on wires that are looked at and can be cut.

import { $, copyButton, el } from "../shared/dom.js";
import { explained, server, streamPath } from "../shared/server.js";
import { Continuity } from "./continuity.js";
import { Frames, bytes } from "./frames.js";
import { Wires } from "./wires.js";

const drawEvery = 250; // ms
const settling = 1000; // ms after the resume, before what came is compared
const backoff = { min: 200, max: 3000 };
const pageLimit = 500;

const states = {
  connecting: "connecting", live: "live", stale: "the server cannot read the stream at the moment", paused: "paused", waiting: "waiting for the next attempt", closed: "closed",
};

export class Trial {
  constructor() {
    this.frames = new Frames($("trial-frames"), server.token);
    this.figures = { state: "not connected", transport: "–", events: 0, gaps: 0, in: 0, out: 0 };
    $("trial").addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    $("trial-stop").addEventListener("click", () => this.stop());
    $("trial-drop").addEventListener("click", () => this.drop());
    $("trial-pause").addEventListener("click", () => this.pause());
    $("trial-clear").addEventListener("click", () => this.frames.clear());
    copyButton($("trial-copy"), () => this.frames.text);
    this.drawing = setInterval(() => this.draw(), drawEvery);
    this.draw();
  }

  // offer lists the streams that can be read.
  offer(streams, wanted) {
    $("trial-stream").replaceChildren(...streams.map((s) => new Option(s.stream, s.stream)));
    if (streams.some((s) => s.stream === wanted)) $("trial-stream").value = wanted;
    $("trial-start").disabled = streams.length === 0;
  }

  close() {
    this.stop();
    clearInterval(this.drawing);
  }

  say(text) {
    $("trial-note").textContent = text;
  }

  start() {
    this.stop();
    const stream = $("trial-stream").value;
    const filter = $("trial-filter").value.trim();
    this.reading = { stream, ...(filter ? { filter } : {}) };
    this.figures = { state: "connecting", transport: "–", events: 0, gaps: 0, in: 0, out: 0 };
    const continuity = (this.continuity = new Continuity());
    $("trial-resume").replaceChildren();
    this.say("");
    this.wires = new Wires({
      seen: (frame) => {
        this.frames.add(frame);
        if (frame.direction !== "note") this.figures[frame.direction] += frame.size;
      },
      sent: (position) => {
        if (continuity.check && !continuity.check.live) continuity.check.sent = position;
      },
      message: (m) => {
        continuity.take(m);
        if (m.type === "event") this.figures.events++;
        if (m.type === "gap") this.figures.gaps++;
      },
    });
    const { WebSocket, fetch } = this.wires;
    const client = server.client({ transports: [$("trial-transport").value], WebSocket, fetch, backoff });
    this.client = client;
    client.on("state", ({ transport }) => { this.figures.transport = transport; });
    const sub = client.subscribe(stream, { from: $("trial-from").value.trim() || "latest", ...(filter ? { filter } : {}) });
    this.sub = sub;
    sub.on("event", () => {});
    sub.on("state", ({ state, error }) => this.turned(sub, state, error));
    sub.on("error", (error) => {
      if (this.sub === sub && !error.retryable) this.say(`${error.code}: ${error.message}`);
    });
    this.enable(true);
  }

  turned(sub, state, error) {
    if (this.sub !== sub) return;
    this.figures.state = states[state] ?? state;
    const check = this.continuity?.check;
    if (state === "live" && check && !check.live) this.resumed(check);
    if (state === "closed") {
      if (error) this.say(`The connection has ended. ${error.code}: ${error.message}`);
      this.enable(false);
    }
  }

  enable(on) {
    $("trial-drop").disabled = !on;
    $("trial-stop").disabled = !on;
  }

  stop() {
    const { client } = this;
    this.sub = this.client = undefined;
    client?.close();
    this.wires?.drop();
    this.figures.state = "not connected";
    this.enable(false);
  }

  // drop cuts the connection, and begins to look at what that costs.
  drop() {
    if (!this.sub) return;
    const { cursor } = this.sub;
    if (!cursor) {
      this.say("There is no position yet. Wait for the connection to be live.");
      return;
    }
    const check = this.continuity.cut(cursor);
    if (this.wires.drop() === 0) {
      this.say("There is no connection at the moment.");
      this.continuity.check = null;
      return;
    }
    this.wires.note("Cut here");
    this.say("The connection was cut without a word to the client.");
    this.check = check;
  }

  async resumed(check) {
    check.live = performance.now();
    const { continuity, reading } = this;
    this.say("");
    await new Promise((resolve) => setTimeout(resolve, settling));
    const page = (from) => {
      const { stream, ...more } = reading;
      return server.get(streamPath(stream, `/records?${new URLSearchParams({ ...more, from, limit: pageLimit })}`));
    };
    try {
      if (continuity.check === check && !(await continuity.verify(page))) check.fault = "More has come than is compared.";
    } catch (error) {
      check.fault = `What came could not be compared: ${explained(error)}`;
    }
  }

  pause() {
    const on = $("trial-pause").getAttribute("aria-pressed") !== "true";
    $("trial-pause").setAttribute("aria-pressed", String(on));
    $("trial-pause").textContent = on ? "Go on" : "Pause the list";
  }

  draw() {
    const { state, transport, events, gaps, in: received, out } = this.figures;
    const facts = [["State", state], ["Transport", transport], ["Records", events.toLocaleString()], ["Gaps", gaps.toLocaleString()], ["Received", bytes(received)], ["Sent", bytes(out)]];
    const text = JSON.stringify(facts);
    if (text !== this.drawn) {
      this.drawn = text;
      $("trial-state").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    }
    if ($("trial-pause").getAttribute("aria-pressed") !== "true") this.frames.draw();
    this.drawCheck();
  }

  drawCheck() {
    const check = this.continuity?.check;
    if (!check?.live) return;
    const rows = [...check.rows].sort(([a], [b]) => a - b);
    const sum = (what) => rows.reduce((n, [, row]) => n + (row[what] ?? 0), 0);
    const result = check.verified ? `${sum("lost")} lost` : check.fault ?? "comparing what came";
    const facts = `Resumed after ${Math.round(check.live - check.at)} ms: ${sum("repeats")} repeated, ${result}, ${sum("gaps")} gaps.`;
    const drawn = facts + sum("came");
    if (drawn === this.checkDrawn) return;
    this.checkDrawn = drawn;
    const cell = (value, bad) => el("td", { class: bad ? "no bad" : undefined }, value === undefined ? "–" : value.toLocaleString());
    const sentence = $("trial-resume").querySelector("p") ?? el("p", { class: "verdict" });
    if (sentence.textContent !== facts) sentence.textContent = facts;
    sentence.dataset.kind = sum("repeats") + sum("lost") > 0 ? "bad" : check.verified ? "good" : "";
    $("trial-resume").replaceChildren(sentence,
      el("p", { class: "note" }, "The cursor that was sent: ", el("code", {}, check.sent ?? "none")),
      rows.length === 0 ? el("p", { class: "note" }, "No records have come yet.") : el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Records by partition" }, el("table", {},
        el("thead", {}, el("tr", {}, ["Partition", "Last before", "First after", "Came since", "Repeated", "Lost", "Gaps"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, rows.slice(0, 200).map(([partition, row]) => el("tr", {}, el("th", { scope: "row" }, String(partition)),
          cell(row.before), cell(row.first), cell(row.came), cell(row.repeats, row.repeats > 0), cell(row.lost, row.lost > 0), cell(row.gaps)))))));
  }
}
