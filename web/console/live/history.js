// Records and gaps from before the oldest ones that a pane holds.
//
// The protocol reads forward, so for each partition a window below the oldest row is read, by
// offsets, until something from above it comes. Windows of all partitions are merged by time: a
// row is handed out only once every other partition has an older one waiting, or no more.

import { elements, members } from "../shared/raw.js";
import { streamPath } from "../shared/server.js";
import { gapRow, recordRow, several } from "./rows.js";

// How many rows a step hands out, the bounds of a window, in offsets, and how many requests are
// made at once.
const step = 300;
const leastWindow = 50;
const mostWindow = 20000;
const atOnce = 4;

// What a partition has nothing below of.
const ends = ["retention", "policy", "log_changed"];

export class History {
  // read is { stream, key, filter }; partitions are { stream, partition, place } each; bounds are
  // the oldest offsets by place.
  constructor(server, read, partitions, bounds) {
    this.server = server;
    this.read = read;
    this.aborting = new AbortController();
    const window = Math.max(leastWindow, Math.ceil(step / partitions.length));
    this.parts = partitions.map((partition) => ({
      ...partition, window,
      below: bounds.get(partition.place), // undefined: nothing of it is known
      waiting: [], // oldest first
      over: bounds.get(partition.place) === 0,
      reason: "",
      ts: Infinity, // of the oldest record that was read
    }));
  }

  // ends are the offsets up to which a partition without rows was read.
  get ends() {
    return new Map(this.parts.filter((p) => p.end !== undefined).map((p) => [p.place, p.end]));
  }

  // older returns the next rows, newest first, and whether there are no more, and why: "retention"
  // (Kafka keeps no more), "policy" (the principal may not read further back) or "log_changed" (the
  // topic is another one now).
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
    const reason = ["policy", "log_changed"].find((reason) => this.parts.some((p) => p.reason === reason)) ?? "retention";
    return { rows, over, reason };
  }

  // refill reads the window below what is known of a partition.
  async refill(part) {
    const known = part.below !== undefined;
    const from = known ? Math.max(0, part.below - part.window) : 0;
    let rows = known ? await this.window(part, from) : await this.newest(part);
    const { length } = rows;
    if (!known) {
      part.end = length ? after(rows.at(-1)) : 0;
      part.over = !length;
      part.below = rows[0]?.offset ?? 0;
    } else {
      part.over = from === 0;
      part.below = Math.min(from, ...rows.map(({ offset }) => offset));
      // What is missing from the beginning of a window may be missing from further back: the next
      // window has it in one piece, unless it is longer than any.
      const first = rows[0]?.gap;
      if (first && first.from === from && !part.over && !ends.includes(first.reason) && !goesBack(first) && (length > 1 || part.window < mostWindow)) {
        part.below = first.to;
        rows = rows.slice(1);
      }
    }
    const end = rows.findLast(({ gap }) => ends.includes(gap?.reason));
    if (end) {
      part.over = true;
      part.reason = end.gap.reason;
    }
    if (length < part.window / 4 || !rows.length) part.window = Math.min(mostWindow, part.window * 4);
    part.waiting = timed(rows, part);
  }

  // newest returns the newest rows of a partition of which nothing is known.
  async newest(part) {
    const page = await this.page(part, { from: `last:${part.window}`, filter: and(`partition == ${part.partition}`, this.condition()) });
    return this.rows(page, part);
  }

  // window returns the rows from an offset up to what is known of a partition.
  async window(part, from) {
    const { partition, below } = part;
    const parameters = { from: `offset:${partition}:${from}`, limit: Math.min(below - from, 1000), filter: this.condition(`offset >= ${below}`) };
    for (const found = []; ;) {
      const page = await this.page(part, parameters);
      const all = this.rows(page, part);
      // What follows is another log, or has its offsets anew: it is not what was below.
      const anew = all.findIndex(({ gap }) => goesBack(gap));
      const rows = anew < 0 ? all : all.slice(0, anew + 1);
      found.push(...rows.filter((row) => row.offset < below).map((row) => cut(row, from, below)));
      if (anew >= 0 || page.caught_up || rows.some((row) => after(row) >= below)) return found;
      parameters.from = page.cursor;
    }
  }

  // rows returns what a page has of a partition, in its order.
  rows({ records, gaps }, { stream, partition }) {
    const many = several(this.read.stream);
    const rows = gaps.filter((gap) => gap.partition === partition).map((gap) => gapRow({ ...gap, stream }, many));
    const anew = rows.find(({ gap }) => gap.reason === "log_changed");
    if (anew) return [anew]; // what follows is of another topic, and newer
    for (const text of records) {
      const event = JSON.parse(text);
      if (event.partition === partition) rows.push(recordRow(event, text, many));
    }
    return rows.sort((a, b) => a.offset - b.offset || (b.kind === "gap") - (a.kind === "gap")); // a gap is before what follows it
  }

  // condition is the key and the filter as one expression. With a sentinel, records for which that
  // is true come too, so that the end of a window is seen even if nothing in it matches.
  condition(sentinel = "") {
    const { key, filter } = this.read;
    const wanted = and(key && `key == ${JSON.stringify(key)}`, filter);
    return wanted && sentinel ? `${sentinel} || (${wanted})` : wanted;
  }

  async page({ stream }, { filter, ...parameters }) {
    const query = new URLSearchParams(filter ? { ...parameters, filter } : parameters);
    const response = await this.server.fetch(`${streamPath(stream, "/records")}?${query}`, { signal: this.aborting.signal });
    const text = await response.text();
    if (!response.ok) throw new Error(problem(response, text));
    const { records, gaps, cursor, caught_up: over } = members(text);
    return { records: elements(records), gaps: JSON.parse(gaps), cursor: JSON.parse(cursor), caught_up: over === "true" };
  }

  close() {
    this.aborting.abort();
  }
}

// newer says whether the newest row that waits in one partition is newer than in another.
const newer = (a, b) => a.waiting.length > 0 && (!b.waiting.length || (a.waiting.at(-1).ts ?? 0) > (b.waiting.at(-1).ts ?? 0));

const and = (...conditions) => conditions.filter(Boolean).map((c, _, all) => (all.length > 1 ? `(${c})` : c)).join(" && ");

// goesBack says whether offsets are used again after a gap.
export const goesBack = (gap) => gap?.reason === "log_changed" || gap?.reason === "truncated";

const after = ({ offset, gap }) => gap?.to ?? offset + 1;

// cut returns a gap within a window. Where nothing is left, nothing is left of what is further back.
function cut(row, begin, below) {
  const { gap } = row;
  if (!gap) return row;
  const from = gap.from === begin && (gap.reason === "retention" || gap.reason === "policy") ? 0 : gap.from;
  return { ...gapRow({ ...gap, from, to: Math.min(gap.to, below) }), place: row.place };
}

// timed gives gaps, which have no time, that of what follows them.
function timed(rows, part) {
  for (const row of rows.toReversed()) part.ts = row.kind === "gap" ? (row.ts = part.ts) : row.ts ?? part.ts;
  return rows;
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
export async function each(values, f) {
  const left = [...values];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left.length) await f(left.shift());
  }));
}
