// The older records of a pane: asked for at the end of its list, until there are no more.

import { server, streamPath } from "../shared/server.js";
import { History, each, goesBack } from "./history.js";
import { oldest } from "./positions.js";
import { several } from "./rows.js";

// Of how many partitions older records are merged: each is read by itself.
const mostPartitions = 64;

const ends = {
  retention: "These are the oldest records that Kafka keeps.",
  policy: "You may not read further back.",
  log_changed: "The topic was created again after these records.",
};

export class Past {
  history = null;
  loading = false;
  over = false;

  constructor(pane) {
    this.pane = pane;
    this.says = pane.part("held");
    this.button = pane.part("older");
  }

  reset() {
    this.close();
    this.loading = this.over = false;
    this.first = null;
    this.say("");
  }

  close() {
    this.history?.close();
    this.history = null;
  }

  get ends() {
    return this.history?.ends ?? new Map();
  }

  say(text) {
    this.says.textContent = text;
    this.button.hidden = this.over;
    this.button.disabled = this.loading;
  }

  // open returns the history from the oldest record that is held.
  async open() {
    if (this.history) return this.history;
    const { read, rows } = this.pane;
    const partitions = await this.partitions();
    return (this.history ??= new History(server, read, partitions, oldest(rows)));
  }

  // partitions are those of all streams that are read.
  async partitions() {
    const { info, read, streams } = this.pane;
    const many = several(read.stream);
    const counts = new Map([...streams].map((stream) => [stream, many ? 0 : info?.partitions ?? 0]));
    await each([...streams].slice(0, mostPartitions), async (stream) => {
      counts.set(stream, counts.get(stream) || (await server.get(streamPath(stream))).partitions);
    });
    const all = [...counts].flatMap(([stream, n]) => Array.from({ length: n }, (_, partition) => ({ stream, partition, place: many ? `${stream}/${partition}` : partition })));
    if (!all.length) throw new Error("no stream matches the pattern");
    if (many && (streams.size > mostPartitions || all.length > mostPartitions)) {
      throw new Error(`the pattern has more than ${mostPartitions} partitions. Choose one of its streams`);
    }
    return all;
  }

  // beginning returns the cursor of the oldest records, which can be moved forward to any later ones.
  beginning() {
    const { stream } = this.pane.read;
    return (this.first ??= several(stream) ? beginnings(stream) : server.get(`${streamPath(stream, "/records")}?from=earliest&limit=1`).then(({ cursor }) => cursor));
  }

  // show goes to the end of the list, which then stands still, and loads what is before it.
  show() {
    const { list } = this.pane;
    list.scrollTo(list.element.scrollHeight);
    list.draw();
    this.load();
  }

  async load() {
    const { pane } = this;
    if (this.loading || this.over || !pane.feed) return;
    if (held(pane.rows, ({ reason }) => reason === "log_changed")) return this.finish("log_changed");
    this.loading = true;
    this.say("Loading older records …");
    let history;
    try {
      history = await this.open();
      const { rows, over, reason } = await history.older();
      if (this.history !== history) return; // there are other rows now
      pane.rows.prepend(unheld(rows, pane.rows));
      pane.list.changed = true;
      pane.list.draw();
      this.loading = false;
      if (over) this.finish(reason);
      else this.say(`${pane.rows.shown.length.toLocaleString()} rows`);
    } catch (error) {
      if (history && this.history !== history) return;
      this.loading = false;
      this.close();
      this.say(`Older records cannot be had: ${error.message}`);
    }
  }

  finish(reason) {
    this.over = true;
    this.say(ends[reason]);
  }
}

// unheld are those of older rows that a pane does not hold: what has come since they were asked for,
// and what another gap has told of already.
function unheld(older, rows) {
  const bounds = oldest(rows);
  return older.filter(({ gap, place, offset }) => {
    if (goesBack(gap)) return !held(rows, (other, at) => at === place && other.reason === gap.reason);
    if (offset >= (bounds.get(place) ?? Infinity)) return false;
    return !["retention", "policy"].includes(gap?.reason) || !held(rows, (other, at) => at === place && other.reason === gap.reason && other.from <= gap.to);
  });
}

// held says whether any gap that a pane holds is as a function says.
function held({ shown, fresh }, is) {
  for (const ring of [shown, fresh]) {
    for (let i = 0; i < ring.length; i++) {
      const { gap, place } = ring.at(i);
      if (gap && is(gap, place)) return true;
    }
  }
  return false;
}

// beginnings returns the cursor of the oldest records of a pattern: there are no pages of it, but an
// event stream begins with its cursor.
async function beginnings(stream) {
  const ended = new AbortController();
  try {
    const response = await server.fetch(`v1/events?${new URLSearchParams({ stream, from: "earliest" })}`, { signal: ended.signal });
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the server has ended the stream");
      const data = /^data: ?(.*)\r?\n/m.exec((text += value));
      if (data) return JSON.parse(data[1]).cursor;
    }
  } finally {
    ended.abort();
  }
}
