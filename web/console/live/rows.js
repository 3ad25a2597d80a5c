// What a pane holds: rows, oldest first, and those that have arrived while the list stands still.
//
// A row is an object with a kind: "record" (text, partition, offset, ts), "gap" (text, gap) or
// "skipped" (count). Its text is parsed only when it is drawn. The ids of the rows that are shown
// are consecutive, so that the place of a row is known from its id.

import { Ring } from "./ring.js";

// How many rows are held of what arrives, and how many characters of text.
const mostRows = 10000;
const mostText = 16 << 20;

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
    while (shown.length > mostRows || (this.shownText > mostText && shown.length > 1)) this.shownText -= shown.shift().text.length;
    return shown.length < before;
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
