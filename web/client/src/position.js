// The position of a subscription: the server's last cursor, and for each partition the
// offset after the last record. The latter is kept for all partitions, so that no record
// passes twice, wherever the server begins.

// mostCursor is the server's default for the length of a cursor.
const mostCursor = 4096;

/** goesBack says whether the offsets from the beginning of a gap on are used again. */
export const goesBack = ({ reason }) => reason === "log_changed" || reason === "truncated";

export class Position {
  cursor = "";
  offsets = new Map();
  ahead = new Set(); // what has moved since the cursor

  constructor(stream) {
    this.several = stream.includes("*"); // in cursors of a pattern, partitions name their streams
  }

  /** set begins where another position is. */
  set(other) {
    this.cursor = other.cursor;
    this.offsets = new Map(other.offsets);
    this.ahead = new Set(other.ahead);
  }

  /** offset returns the next offset of a record's partition. */
  offset(m) {
    return this.offsets.get(this.place(m)) ?? 0;
  }

  place(m) {
    return this.several ? m.stream + "/" + m.partition : m.partition;
  }

  /** take moves the position over a message, and says whether the message is news. */
  take(m, cursor = m.cursor) {
    const news = this.move(m);
    if (cursor) {
      this.cursor = cursor;
      this.ahead.clear();
    }
    return news;
  }

  move(m) {
    const { type, reason } = m;
    const place = this.place(m);
    if (type === "streams") {
      // A stream that comes back goes on where it was, or has other offsets.
      for (const known of this.offsets.keys()) {
        if (m.removed.includes(known.split("/")[0])) {
          this.offsets.delete(known);
          this.ahead.delete(known);
        }
      }
    }
    if (reason === "resync") this.set(new Position(""));
    else if (type === "event" || type === "gap") {
      const to = reason === "truncated" ? m.from : (m.to ?? m.offset + 1);
      if (!goesBack(m) && to <= this.offset(m)) return false;
      this.offsets.set(place, to);
      // A cursor of the old log has no offsets of the new one.
      this.ahead[goesBack(m) ? "delete" : "add"](place);
    }
    return true;
  }

  toString() {
    // A list has commas as a text.
    const text = this.cursor && this.cursor + (this.ahead.size ? "~" : "") + [...this.ahead].sort().map((place) => place + ":" + this.offsets.get(place));
    return text.length > mostCursor ? this.cursor : text;
  }
}
