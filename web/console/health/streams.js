// The streams of an instance, and how they are read.

import { $, el } from "../shared/dom.js";
import { faultText, patient } from "../shared/faults.js";
import { keyed, put } from "../shared/keyed.js";
import { server } from "../shared/server.js";
import { bytes, count, moment, none, plain, span } from "../shared/units.js";

// How many streams are shown, and how many more each time.
const step = 100;

export class Streams {
  all = [];
  shown = step;
  ended = new AbortController();

  constructor() {
    this.table = keyed($("health-streams"), (s) => JSON.stringify([s.tenant, s.stream]), row);
    $("health-search").addEventListener("input", () => this.draw());
    $("health-more").addEventListener("click", () => {
      this.shown += step;
      this.draw();
    });
  }

  // load asks for them, and returns why there is no answer.
  async load() {
    try {
      const { streams } = await server.get("v1/admin/streams", patient(this.ended.signal));
      this.all = streams.sort((a, b) => (a.stream < b.stream ? -1 : 1));
      this.draw();
      return "";
    } catch (error) {
      return this.ended.signal.aborted ? "" : faultText(error);
    }
  }

  draw() {
    if (this.ended.signal.aborted) return;
    const wanted = $("health-search").value.trim().toLowerCase();
    const found = this.all.filter((s) => s.stream.toLowerCase().includes(wanted) || (s.topic ?? "").toLowerCase().includes(wanted));
    this.table(found.slice(0, this.shown));
    $("health-streams-none").hidden = found.length > 0;
    put($("health-streams-none"), this.all.length ? "No stream matches." : "There are no streams.");
    $("health-more").hidden = found.length <= this.shown;
    put($("health-streams-found"), found.length > this.shown ? `${this.shown} of ${count(found.length)} streams` : `${count(found.length)} ${found.length === 1 ? "stream" : "streams"}`);
  }

  close() {
    this.ended.abort();
  }
}

// stateOf says how a stream is read.
function stateOf(stream) {
  const lasted = stream.since ? ` for ${span(Date.now() - stream.since)}` : "";
  if (stream.topic_missing) return ["failing", "topic missing"];
  if (!stream.reading) return ["idle", "not read"];
  return stream.live ? ["ok", `live${lasted}`] : ["failing", `not live${lasted}`];
}

function gapsOf(stream) {
  const reported = Object.entries(stream.gaps_reported ?? {}).filter(([, n]) => n > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  const says = reported.map(([reason, n]) => `${count(n)} ${plain(reason)}`);
  if (stream.gaps_read > 0) says.unshift(`${count(stream.gaps_read)} read`);
  return says.join(", ") || none;
}

function row() {
  const name = el("bdi");
  const topic = el("small");
  const state = el("span", { class: "mark" });
  const cells = [...["number", "number", "number", "number", "number", ""].map((kind) => el("td", { class: kind }))];
  return {
    element: el("tr", {}, el("th", { scope: "row" }, name, topic), el("td", {}, state), cells),
    update(stream) {
      put(name, plain(stream.stream));
      const beside = [stream.tenant, stream.topic !== stream.stream ? stream.topic : ""].filter(Boolean).map((text) => plain(text));
      put(topic, beside.length ? ` ${beside.join(" · ")}` : "");
      const [mark, says] = stateOf(stream);
      state.dataset.mark = mark;
      put(state, says);
      state.title = stream.since ? `since ${moment(stream.since)}` : "";
      [stream.partitions ? count(stream.partitions) : "not known", count(stream.subscribers), bytes(stream.log_bytes),
        count(stream.records_read), count(stream.fell_behind), gapsOf(stream)].forEach((text, i) => put(cells[i], text));
    },
  };
}
