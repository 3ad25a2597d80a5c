// The older records of a pane: asked for at the end of its list, until there are no more.

import { server, streamPath } from "../shared/server.js";
import { History } from "./history.js";
import { oldest } from "./positions.js";

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
    const { partitions } = this.pane.info?.partitions ? this.pane.info : await server.get(streamPath(read.stream));
    return (this.history ??= new History(server, { ...read, partitions }, oldest(rows)));
  }

  async beginning() {
    const history = await this.open();
    return (history.first ??= history.beginning());
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
    for (let i = 0; i < pane.rows.shown.length; i++) {
      if (pane.rows.shown.at(i).gap?.reason === "log_changed") return this.finish("log_changed");
    }
    this.loading = true;
    this.say("Loading older records …");
    let history;
    try {
      history = await this.open();
      const { rows, over, reason } = await history.older();
      if (this.history !== history) return; // there are other rows now
      pane.rows.prepend(rows);
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
