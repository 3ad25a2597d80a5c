// Where reading goes on at a row: as offsets, and as a cursor.

// oldest returns, by place, the offset from which on everything is held.
export function oldest(rows) {
  const offsets = new Map();
  for (const ring of [rows.shown, rows.fresh]) {
    for (let i = 0; i < ring.length; i++) {
      const { place, offset, gap } = ring.at(i);
      if (place === undefined) continue;
      if (!offsets.has(place)) offsets.set(place, offset);
      // What has these offsets now came after it, and is held, too.
      else if (gap?.reason === "truncated") offsets.set(place, Math.min(offset, offsets.get(place)));
    }
  }
  return offsets;
}

// positionAt returns, by place, the next offset to be read: after a row, or with that row as
// the first. A partition that has no row so far begins at the first that follows; one without
// any row is left out, unless its end is known.
export function positionAt(rows, row, { including = false, ends = new Map() } = {}) {
  const offsets = new Map();
  const at = rows.place(row.id);
  for (let i = 0; i <= at; i++) move(offsets, rows.shown.at(i));
  for (const ring of [rows.shown, rows.fresh]) {
    for (let i = ring === rows.shown ? at + 1 : 0; i < ring.length; i++) {
      const { place, offset } = ring.at(i);
      if (place !== undefined && !offsets.has(place)) offsets.set(place, offset);
    }
  }
  for (const [place, end] of ends) if (!offsets.has(place)) offsets.set(place, end);
  if (including && row.kind === "record") offsets.set(row.place, row.offset);
  return offsets;
}

// move moves offsets over a row.
export function move(offsets, { kind, place, offset, gap }) {
  if (kind === "record") offsets.set(place, offset + 1);
  // Only these two reasons use offsets again.
  else if (place !== undefined) offsets.set(place, gap.reason === "truncated" ? gap.from : gap.to);
}

// written writes offsets as the protocol has them after "offset:" and after the tilde of a cursor.
export const written = (offsets) => [...offsets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([place, offset]) => `${place}:${offset}`).join(",");

// cursorAfter returns the cursor after a row, from one that was noted at it or before it, else "";
// cursorBefore that with which the row comes first in its partition.
export const cursorAfter = (rows, row) => cursorAt(rows, rows.place(row.id) + 1);
export const cursorBefore = (rows, row) => cursorAt(rows, rows.place(row.id));

// cursorAt returns the cursor before the nth row.
function cursorAt(rows, n) {
  const begun = rows.place(rows.start.id); // before it are older records, which were fetched later
  for (let i = n; i >= begun; i--) {
    const { cursor, offsets, kind, place } = i > begun ? rows.shown.at(i - 1) : rows.start;
    if (!cursor) {
      if (kind === "gap" && place === undefined) return ""; // the position was void
      continue;
    }
    const moved = new Map([...ahead(cursor), ...(offsets ?? [])]);
    for (let j = i; j < n; j++) move(moved, rows.shown.at(j));
    return withOffsets(cursor, moved);
  }
  return "";
}

// ahead returns the offsets after the tilde of a cursor.
function ahead(cursor) {
  const parts = (cursor.split("~")[1] ?? "").split(",").filter(Boolean).map((part) => part.split(":"));
  return new Map(parts.map(([place, offset]) => [place.includes("/") ? place : Number(place), Number(offset)]));
}

// withOffsets returns a cursor that is moved forward to offsets.
export const withOffsets = (cursor, offsets) => cursor.split("~")[0] + (offsets.size ? `~${written(offsets)}` : "");
