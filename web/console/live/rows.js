// What a pane holds: rows, oldest first, and those that have arrived while the list stands still.
//
// A row is an object with a kind: "record" (text, ts), "gap" (text, gap), "streams" (text, what has
// changed in a pattern) or "skipped" (count). Its text is parsed only when it is drawn. Records and
// gaps have a place, which is their partition, and an offset. The ids of the rows that are shown are
// consecutive, so that the place of a row in the list is known from its id.

import { move } from "./positions.js";
import { Ring } from "./ring.js";

// How many rows are held of what arrives, and how many characters of text.
const mostRows = 10000;
const mostText = 16 << 20;

// several says whether what is read is a pattern of streams.
export const several = (stream) => stream.includes("*");

// placeOf is the partition of an event or a gap, with its stream where there are several; undefined
// for a gap of the whole position.
const placeOf = ({ stream, partition }, many) => (partition === undefined || !many ? partition : `${stream}/${partition}`);

export const recordRow = (event, text, many) => ({ kind: "record", text, place: placeOf(event, many), offset: event.offset, ts: event.ts, cursor: "" });

export const gapRow = (gap, many) => ({ kind: "gap", text: JSON.stringify(gap), gap, place: placeOf(gap, many), offset: gap.from, cursor: "" });

export class Rows {
  shown = new Ring();
  fresh = new Ring();

  constructor() {
    this.clear();
  }

  clear() {
    this.shown.clear();
    this.fresh.clear();
    this.shownText = this.freshText = 0;
    this.skipped = 0; // rows that were dropped from fresh
    this.next = 0; // the id of the next row
    this.begin("");
  }

  // begin notes the position before the row that comes next.
  begin(cursor) {
    this.start = { id: this.next, cursor, offsets: new Map() };
  }

  // add takes a row that has arrived.
  add(row) {
    this.fresh.push(row);
    this.freshText += row.text.length;
    while (this.fresh.length > mostRows || (this.freshText > mostText && this.fresh.length > 1)) {
      this.freshText -= this.fresh.shift().text.length;
      this.skipped++;
    }
  }

  // waiting is how many rows have arrived that are not shown.
  get waiting() {
    return this.fresh.length + this.skipped;
  }

  // mark notes the position after the newest row that has arrived.
  mark(cursor) {
    const newest = this.fresh.last() ?? this.shown.last();
    if (newest) newest.cursor = cursor;
  }

  // take shows at most a number of the rows that wait, oldest first, and calls back with each.
  take(most = Infinity, each = () => {}) {
    if (this.skipped) {
      this.show({ kind: "skipped", text: "", count: this.skipped });
      this.skipped = 0;
    }
    for (; most > 0 && this.fresh.length; most--) {
      const row = this.fresh.shift();
      this.freshText -= row.text.length;
      this.show(row);
      each(row);
    }
  }

  show(row) {
    row.id = this.next++;
    this.shown.push(row);
    this.shownText += row.text.length;
  }

  // trim drops the oldest rows beyond the bounds, and says whether there were any.
  trim() {
    const { shown } = this;
    const before = shown.length;
    while (shown.length > mostRows || (this.shownText > mostText && shown.length > 1)) this.drop();
    return shown.length < before;
  }

  // drop drops the oldest row, and notes the position after it.
  drop() {
    const row = this.shown.shift();
    const { start } = this;
    this.shownText -= row.text.length;
    if (row.id < start.id) return; // it was fetched later
    start.id = row.id + 1;
    if (row.cursor || (row.kind === "gap" && row.place === undefined)) {
      start.cursor = row.cursor;
      start.offsets.clear();
    } else move(start.offsets, row);
  }

  // prepend adds rows before the oldest; the newest of them is the first.
  prepend(rows) {
    for (const row of rows) {
      row.id = (this.shown.first()?.id ?? this.next) - 1;
      this.shown.unshift(row);
      this.shownText += row.text.length;
    }
  }

  // get returns the row with an id, if it is shown.
  get(id) {
    const i = this.place(id);
    return i >= 0 && i < this.shown.length ? this.shown.at(i) : undefined;
  }

  place(id) {
    return this.shown.length ? id - this.shown.first().id : -1;
  }
}
