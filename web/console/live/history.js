// Records from before the oldest one that a pane holds.
//
// The protocol reads forward, so for each partition a window below the oldest record is read, by
// offsets, until a record from above it comes. Windows of all partitions are merged by time: a
// record is handed out only once every other partition has an older one waiting, or no more.

import { elements, members } from "../shared/raw.js";
import { streamPath } from "../shared/server.js";

// How many records a step hands out, the bounds of a window, in offsets, and how many requests
// are made at once.
const step = 300;
const leastWindow = 50;
const mostWindow = 20000;
const atOnce = 4;

export class History {
  // read is { stream, partitions, key, filter }; bounds are the oldest offsets by partition.
  constructor(server, read, bounds) {
    this.server = server;
    this.read = read;
    this.aborting = new AbortController();
    const window = Math.max(leastWindow, Math.ceil(step / read.partitions));
    this.parts = Array.from({ length: read.partitions }, (_, partition) => ({
      partition, window,
      below: bounds.get(partition), // undefined: no record of it is known
      waiting: [], // oldest first
      over: bounds.get(partition) === 0,
      reason: "",
    }));
  }

  // ends are the offsets up to which a partition without records was read.
  get ends() {
    return new Map(this.parts.filter((p) => p.end !== undefined).map((p) => [p.partition, p.end]));
  }

  // older returns the next rows, newest first, and whether there are no more, and why: "retention"
  // (Kafka keeps no more) or "policy" (the principal may not read further back).
  async older() {
    const rows = [];
    while (rows.length < step) {
      const empty = this.parts.filter((p) => !p.over && !p.waiting.length);
      if (empty.length && rows.length >= step / 3) break; // what there is can be looked at already
      await each(empty, (part) => this.refill(part));
      if (this.parts.some((p) => !p.over && !p.waiting.length)) continue; // a window without matches
      if (!this.parts.some((p) => p.waiting.length)) break;
      while (rows.length < step && this.parts.every((p) => p.waiting.length || p.over)) {
        const newest = this.parts.reduce((a, b) => (newer(b, a) ? b : a));
        if (!newest.waiting.length) break;
        rows.push(newest.waiting.pop());
      }
    }
    const over = this.parts.every((p) => p.over && !p.waiting.length);
    const reason = this.parts.some((p) => p.reason === "policy") ? "policy" : "retention";
    return { rows, over, reason };
  }

  // refill reads the window below what is known of a partition.
  async refill(part) {
    const { partition } = part;
    const from = part.below === undefined ? "" : Math.max(0, part.below - part.window);
    const parameters = part.below === undefined
      ? { from: `last:${part.window}`, filter: and(`partition == ${partition}`, this.condition()) }
      : { from: `offset:${partition}:${from}`, limit: Math.min(part.below - from, 1000), filter: this.condition(`offset >= ${part.below}`) };
    for (let more = []; ; ) {
      const page = await this.page(parameters);
      const rows = page.records.map(row).filter((r) => r.partition === partition);
      const within = rows.filter((r) => part.below === undefined || r.offset < part.below);
      more = more.concat(within);
      const cut = page.gaps.filter((gap) => gap.partition === partition && ["retention", "policy"].includes(gap.reason)).at(-1);
      if (cut) part.reason = cut.reason;
      const passed = part.below === undefined || within.length < rows.length || page.caught_up || within.at(-1)?.offset === part.below - 1;
      if (!passed) {
        parameters.from = page.cursor;
        continue;
      }
      if (part.below === undefined) {
        part.end = (more.at(-1)?.offset ?? -1) + 1;
        part.over = !more.length;
        part.below = more[0]?.offset ?? 0;
      } else {
        part.over = from === 0 || Boolean(cut);
        part.below = from;
      }
      if (more.length < part.window / 4) part.window = Math.min(mostWindow, part.window * 4);
      part.waiting = more;
      return;
    }
  }

  // condition is the key and the filter as one expression. With a sentinel, records for which that
  // is true come too, so that the end of a window is seen even if nothing in it matches.
  condition(sentinel = "") {
    const { key, filter } = this.read;
    const wanted = and(key && `key == ${JSON.stringify(key)}`, filter);
    return wanted && sentinel ? `${sentinel} || (${wanted})` : wanted;
  }

  async page({ filter, ...parameters }) {
    const query = new URLSearchParams(filter ? { ...parameters, filter } : parameters);
    const response = await this.server.fetch(`${streamPath(this.read.stream, "/records")}?${query}`, { signal: this.aborting.signal });
    const text = await response.text();
    if (!response.ok) throw new Error(problem(response, text));
    const { records, gaps, cursor, caught_up: over } = members(text);
    return { records: elements(records), gaps: JSON.parse(gaps), cursor: JSON.parse(cursor), caught_up: over === "true" };
  }

  // beginning returns the cursor of the oldest records, which can be moved forward to any later ones.
  async beginning() {
    const page = await this.page({ from: "earliest", limit: 1 });
    return page.cursor;
  }

  close() {
    this.aborting.abort();
  }
}

// newer says whether the newest record that waits in one partition is newer than in another.
const newer = (a, b) => a.waiting.length > 0 && (!b.waiting.length || (a.waiting.at(-1).ts ?? 0) > (b.waiting.at(-1).ts ?? 0));

const and = (...conditions) => conditions.filter(Boolean).map((c, _, all) => (all.length > 1 ? `(${c})` : c)).join(" && ");

function row(text) {
  const { partition, offset, ts } = JSON.parse(text);
  return { kind: "record", text, partition, offset, ts };
}

function problem(response, text) {
  try {
    const { code, detail } = JSON.parse(text);
    return `${code}: ${detail}`;
  } catch {
    return `the server answers ${response.status}`;
  }
}

// each calls a function with all values, a few at a time.
async function each(values, f) {
  const left = [...values];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left.length) await f(left.shift());
  }));
}
