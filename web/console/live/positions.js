// Where reading goes on at a row: as offsets, and as a cursor.

// oldest returns, by partition, the offset of the oldest record that is held.
export function oldest(rows) {
  const offsets = new Map();
  for (const ring of [rows.shown, rows.fresh]) {
    for (let i = 0; i < ring.length; i++) {
      const row = ring.at(i);
      if (row.kind === "record" && !offsets.has(row.partition)) offsets.set(row.partition, row.offset);
    }
  }
  return offsets;
}

// positionAt returns, by partition, the next offset to be read: after a row, or with that row as
// the first. A partition that has no row so far begins at the first that follows; one without
// any row is left out, unless its end is known.
export function positionAt(rows, row, { including = false, ends = new Map() } = {}) {
  const offsets = new Map();
  const at = rows.place(row.id);
  for (let i = 0; i <= at; i++) move(offsets, rows.shown.at(i));
  for (const ring of [rows.shown, rows.fresh]) {
    for (let i = ring === rows.shown ? at + 1 : 0; i < ring.length; i++) {
      const later = ring.at(i);
      if (later.kind === "record" && !offsets.has(later.partition)) offsets.set(later.partition, later.offset);
    }
  }
  for (const [partition, end] of ends) if (!offsets.has(partition)) offsets.set(partition, end);
  if (including && row.kind === "record") offsets.set(row.partition, row.offset);
  return offsets;
}

function move(offsets, row) {
  if (row.kind === "record") offsets.set(row.partition, row.offset + 1);
  // Only these two reasons use offsets again.
  else if (row.gap?.partition !== undefined) offsets.set(row.gap.partition, row.gap.reason === "truncated" ? row.gap.from : row.gap.to);
}

// written writes offsets as the protocol has them after "offset:" and after the tilde of a cursor.
export const written = (offsets) => [...offsets].sort(([a], [b]) => a - b).map(([partition, offset]) => `${partition}:${offset}`).join(",");

// cursorAfter returns the cursor after a row, from one that was noted at it or before it, else "".
export function cursorAfter(rows, row) {
  const at = rows.place(row.id);
  for (let i = at; i >= 0; i--) {
    const { cursor, gap } = rows.shown.at(i);
    if (!cursor) {
      if (gap && gap.partition === undefined) return "";
      continue;
    }
    const offsets = ahead(cursor);
    for (let j = i + 1; j <= at; j++) move(offsets, rows.shown.at(j));
    return withOffsets(cursor, offsets);
  }
  return "";
}

// ahead returns the offsets after the tilde of a cursor.
const ahead = (cursor) => new Map((cursor.split("~")[1] ?? "").split(",").filter(Boolean).map((part) => part.split(":").map(Number)));

// withOffsets returns a cursor that is moved forward to offsets.
export const withOffsets = (cursor, offsets) => cursor.split("~")[0] + (offsets.size ? `~${written(offsets)}` : "");
