// One stream, or a pattern of several: what is read of it, its figures, its list and its drawer.

import { $, el } from "../shared/dom.js";
import { server, streamPath } from "../shared/server.js";
import { Chart } from "./chart.js";
import { Drawer } from "./drawer.js";
import { Feed } from "./feed.js";
import { Form } from "./form.js";
import { Latency } from "./latency.js";
import { List } from "./list.js";
import { Past } from "./past.js";
import { cursorAfter, cursorBefore, positionAt, withOffsets, written } from "./positions.js";
import { Rows, gapRow, recordRow, several } from "./rows.js";
import { facts, ofPattern } from "./streams.js";

// How often the list is drawn at most, in ms, while all that is in sight is new each time: nobody
// can read that any faster.
const floodEvery = 240;

export class Pane {
  feed = null;
  drawn = 0; // when rows were shown
  paused = false;
  state = { kind: "working", text: "Connecting" };

  // info is what the list of streams says of the stream, undefined if it is not in there, or
  // { streams }, those of a pattern. on has:
  // changed(), about what is read or the state, remove(), and closed().
  constructor(read, info, connection, on) {
    Object.assign(this, { read, info, connection, on, rows: new Rows() });
    this.root = $("live-pane").content.firstElementChild.cloneNode(true);
    const part = (this.part = (name) => this.root.querySelector(`.${name}`));
    this.chart = new Chart(part("chart"), part("rate"));
    this.latency = new Latency(part("histogram"), part("latency-label"), part("latency-figures"));
    this.form = new Form(part("reading"), (values) => this.apply({ ...this.read, ...values }));
    this.drawer = new Drawer(part("drawer"), {
      follow: () => this.follow(),
      reading: (row) => this.reading(row),
      cursor: (row) => this.cursor(row),
    });
    this.past = new Past(this);
    this.list = new List(part("events"), this.rows, {
      choose: (row) => this.chosen(row),
      end: () => this.past.load(),
    });
    part("remove").addEventListener("click", () => on.remove());
    part("pause").addEventListener("click", () => this.pause(!this.paused));
    part("clear").addEventListener("click", () => this.clear());
    part("newer").addEventListener("click", () => this.follow());
    part("older").addEventListener("click", () => this.past.show());
    part("stream-name").textContent = read.stream;
    this.several = several(read.stream);
    this.root.dataset.several = this.several;
    this.streams = new Set(this.several ? info.streams : [read.stream]);
    part("facts").textContent = this.several ? ofPattern([...this.streams]) : facts(info ?? {});
    part("events").setAttribute("aria-label", `Records of ${read.stream}, newest first`);
    this.root.setAttribute("aria-label", read.stream);
  }

  // start reads from where the form says. The pane is in the page by then.
  start() {
    this.form.values = this.read;
    this.form.valid();
    this.feed?.close();
    this.feed = null;
    this.clear();
    this.pause(false);
    this.list.measure();
    this.say("");
    if (!this.info) {
      this.empty("");
      this.say(`There is no stream “${this.read.stream}” that you may read. Choose one from the list.`);
      this.setState("failed", "Unknown stream");
      return;
    }
    this.live = false;
    this.empty("Waiting for records.");
    this.feed = new Feed(this.connection, this.read.stream, this.read, {
      state: (kind, text) => this.setState(kind, text),
      began: (cursor, streams) => this.began(cursor, streams),
      streams: (change) => this.joined(change),
      record: (event, text) => this.record(event, text),
      gap: (gap) => this.gap(gap),
      live: () => this.caughtUp(),
      refused: (error, needsToken) => this.refused(error, needsToken),
    });
    this.describe();
  }

  apply(read) {
    this.read = read;
    this.start();
    this.on.changed();
  }

  close() {
    this.feed?.close();
    this.past.close();
    this.list.close();
    this.root.remove();
    this.on.closed();
  }

  setState(kind, text) {
    this.state = { kind, text };
    this.part("pane-state").dataset.state = kind;
    if (this.part("says").textContent !== text) this.part("says").textContent = text;
    this.on.changed();
  }

  // began notes the position before the first row, and the streams of a pattern.
  began(cursor, streams) {
    const { rows } = this;
    if (!rows.shown.length && !rows.waiting) rows.begin(cursor);
    if (this.several && streams) this.take(new Set(streams));
  }

  // joined takes what has joined and left a pattern.
  joined(change) {
    const { added, removed } = change;
    this.rows.add({ kind: "streams", text: JSON.stringify(change), change, cursor: this.feed.cursor });
    this.take(this.streams.difference(new Set(removed)).union(new Set(added)), change.omitted);
  }

  // take takes what streams a pattern has now. Older records are those of all of them.
  take(streams, omitted = 0) {
    const same = streams.size === this.streams.size && streams.isSubsetOf(this.streams);
    this.streams = streams;
    this.part("facts").textContent = ofPattern([...streams].sort(), omitted);
    if (!same) this.past.reset();
    this.on.changed();
  }

  // describe asks for what the server knows of a stream only once it is read.
  async describe() {
    if (this.several) return;
    try {
      this.info = { ...this.info, ...await server.get(streamPath(this.read.stream)) };
      this.part("facts").textContent = facts(this.info);
    } catch {
      // The facts are an ornament; that the server is away, the feed tells.
    }
  }

  record(event, text) {
    this.received++;
    this.chart.count();
    const row = recordRow(event, text, this.several);
    this.seen.add(row.place);
    row.late = !this.live;
    this.rows.add(row);
  }

  gap(gap) {
    if (gap.reason === "resync") {
      // Everything since the start comes again, and what could not be continued may be missing.
      this.clear();
      this.live = false;
      this.say(`The position could not be used any more (${gap.code ?? "no reason given"}), and records may be missing. Reading from the start again.`);
    }
    this.gaps++;
    this.rows.add(gapRow(gap, this.several));
  }

  caughtUp() {
    // Beside what a replay brings in a second, nothing live can be seen.
    if (!this.live) this.chart.reset();
    this.live = true;
    this.empty("Nothing yet. Records appear here as they are written.");
  }

  refused(error, needsToken) {
    this.empty("");
    if (needsToken) {
      const [state, fault, what] = server.token
        ? ["The token is refused", "The server does not take the token", "enter another one"]
        : ["A token is needed", "The server needs a token", "enter one"];
      this.setState("failed", state);
      this.say(`${fault} (${error.code}): `, el("a", { href: "#connect" }, what), ".");
      return;
    }
    this.setState("failed", error.code);
    this.say(this.form.refuse(error) ? "" : `The server ended the stream: ${error.code}. Apply starts it again.`);
  }

  empty(text) {
    this.part("empty").textContent = text;
  }

  say(...what) {
    this.part("said").replaceChildren(...what);
    this.part("said").hidden = !what[0];
  }

  clear() {
    this.received = this.gaps = 0;
    this.seen = new Set();
    this.rows.clear();
    this.rows.begin(this.feed?.cursor ?? "");
    this.past.reset();
    this.list.choose(null);
    this.drawer.clear();
    this.chart.reset();
    this.latency.reset();
    this.figures();
  }

  pause(on) {
    this.paused = this.list.held = on;
    this.part("pause").setAttribute("aria-pressed", String(on));
    this.figures();
  }

  follow() {
    this.list.choose(null);
    this.list.element.focus({ preventScroll: true });
  }

  chosen(row) {
    if (row) {
      this.drawer.look(row, true);
      this.list.clear(this.drawer.root);
    } else {
      this.drawer.clear();
    }
    this.figures();
  }

  // tick draws what has come; slowly also the figures.
  tick(slowly) {
    const { rows, list } = this;
    if (rows.fresh.length) rows.mark(this.feed?.cursor ?? "");
    const now = Date.now();
    if (list.following && rows.waiting && (rows.waiting < list.inSight || now - this.drawn >= floodEvery)) {
      this.drawn = now;
      rows.take(Infinity, (row) => row.late === false && row.ts !== null && this.latency.sample(now - row.ts));
      if (rows.trim()) this.past.reset();
      list.changed = true;
    }
    list.draw();
    if (slowly) this.figures();
  }

  figures() {
    const { rows, list, part } = this;
    this.chart.draw();
    this.latency.draw(this.connection.tap);
    set(part("received"), this.received.toLocaleString());
    set(part("partitions"), String(this.seen.size));
    set(part("gaps"), this.gaps.toLocaleString());
    const waiting = rows.waiting.toLocaleString();
    set(part("pause"), this.paused ? `Resume (${waiting} new)` : "Pause");
    part("newer").hidden = this.paused || list.following || !rows.waiting;
    set(part("newer"), `${waiting} new`);
    part("empty").hidden = rows.shown.length > 0;
    const last = rows.shown.last();
    if (last && list.chosen === null) this.drawer.look(last, false);
  }

  // reading is what a program reads from a row on, or as the form says.
  async reading(row) {
    const from = row ? await this.before(row) : this.read.from;
    return { ...this.read, from, base: new URL(".", document.baseURI).href, token: Boolean(server.token) };
  }

  // before returns the position with a row as the first: as offsets, which are of one stream only.
  async before(row) {
    const position = () => positionAt(this.rows, row, { including: true, ends: this.past.ends });
    if (!this.several) return `offset:${written(position())}`;
    return cursorBefore(this.rows, row) || withOffsets(await this.past.beginning(), position());
  }

  // cursor returns the cursor after a row. Before the first one that the server has sent, it is the
  // cursor of the oldest records, moved forward.
  async cursor(row) {
    const known = cursorAfter(this.rows, row);
    if (known) return known;
    const beginning = await this.past.beginning();
    return withOffsets(beginning, positionAt(this.rows, row, { ends: this.past.ends }));
  }
}

// set changes a text only where it differs, so that nothing is laid out in vain.
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
