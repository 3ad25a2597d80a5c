// What a cut costs: which records came twice, and which did not come, in each partition.
//
// Repeats are seen in the frames. What was lost cannot be seen in offsets alone, which have
// holes of their own (transactions, compaction, filters): the records after the position at
// the cut are read once more as pages, and what of them has not come is lost.

const mostKept = 20_000; // offsets since a cut
const mostPages = 20;

export class Continuity {
  constructor() {
    this.seen = new Map(); // by partition: the highest offset
    this.check = null; // since the last cut
  }

  // take takes a message of the server.
  take(m) {
    const { type, partition, offset } = m;
    if (type === "gap" && partition !== undefined) {
      this.of(partition).gaps++;
      if (m.reason === "log_changed" || m.reason === "truncated") this.seen.delete(partition);
    }
    if (type !== "event") return;
    const row = this.of(partition);
    const last = this.seen.get(partition);
    if (last !== undefined && offset <= last) row.repeats++;
    else this.seen.set(partition, offset);
    row.first ??= offset;
    row.came++;
    if (!this.check || this.check.kept >= mostKept) return;
    row.offsets.add(offset);
    this.check.kept++;
  }

  // of returns the row of a partition since the cut; before one, nobody looks at it.
  of(partition) {
    if (!this.check) return { offsets: new Set() };
    let row = this.check.rows.get(partition);
    if (!row) {
      row = { before: this.seen.get(partition), first: undefined, came: 0, repeats: 0, gaps: 0, lost: undefined, offsets: new Set() };
      this.check.rows.set(partition, row);
    }
    return row;
  }

  // cut begins a check at the position at which the client is.
  cut(cursor) {
    this.check = { cursor, at: performance.now(), rows: new Map(), kept: 0, verified: false };
    for (const partition of this.seen.keys()) this.of(partition);
    return this.check;
  }

  // verify reads what has come once more, page(from) after page, and counts what is missing.
  async verify(page) {
    const { check } = this;
    const received = new Map([...check.rows].map(([partition, row]) => [partition, { to: highest(row.offsets), offsets: new Set(row.offsets) }]));
    const open = new Set([...received].filter(([, { to }]) => to >= 0).map(([partition]) => partition)); // not yet compared to its end
    const lost = new Map();
    let from = check.cursor;
    let whole = open.size === 0;
    for (let pages = 0; !whole && pages < mostPages && check.kept < mostKept; pages++) {
      const { records, cursor, caught_up: caughtUp } = await page(from);
      for (const { partition, offset } of records) {
        const got = received.get(partition);
        if (!got) continue;
        if (offset <= got.to && !got.offsets.has(offset)) lost.set(partition, (lost.get(partition) ?? 0) + 1);
        if (offset >= got.to) open.delete(partition);
      }
      whole = caughtUp || open.size === 0;
      from = cursor;
    }
    if (!whole) return false;
    for (const [partition, row] of check.rows) row.lost = lost.get(partition) ?? 0;
    check.verified = true;
    return true;
  }
}

function highest(offsets) {
  let most = -1;
  for (const offset of offsets) most = Math.max(most, offset);
  return most;
}
