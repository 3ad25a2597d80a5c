// What a row shows, in four cells: time, place, key and data.

const hms = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false });

const clock = (ms) => (ms === null || ms === undefined ? "–" : hms.format(ms));

const reasons = {
  retention: "Kafka no longer keeps them",
  log_changed: "the topic was created again",
  truncated: "Kafka lost them",
  unreadable: "they cannot be read",
  too_large: "they are too large to be sent",
  policy: "left out, since this page fell behind, or you may not read them",
};

// cells returns the texts of a row's cells, with no more of the key and the data than a number of characters.
export function cells(row, most = 80) {
  if (row.kind === "skipped") {
    return ["not kept", "", "", `${row.count.toLocaleString()} rows came while the list stood still, more than the page holds`];
  }
  if (row.kind === "gap") return gapCells(row.gap, row.place);
  if (row.kind === "streams") return ["streams", "", "", changes(row.change, most)];
  const event = JSON.parse(row.text);
  return [clock(event.ts), `${row.place}:${event.offset}`, (event.key ?? "–").slice(0, most), summary(row.text, event, most)];
}

// changes says which streams have joined and left a pattern.
export function changes({ added, removed, omitted }, most = Infinity) {
  const names = (what, streams) => streams.length > 0 && `${what}: ${streams.join(", ")}`;
  const left = omitted > 0 && `${omitted.toLocaleString()} are more than a session may have`;
  return [names("joined", added), names("left", removed), left].filter(Boolean).join(" · ").slice(0, most);
}

function gapCells({ from, to, reason, code }, place) {
  // A position that was void has no offsets.
  if (place === undefined) return ["gap", "–", code ?? "", "the position was void; everything since the start follows"];
  const missing = to - from;
  const what = missing > 0 ? `${missing.toLocaleString()} ${missing === 1 ? "offset is" : "offsets are"} missing` : "offsets start over";
  return ["gap", `${place}:${from}`, reason ?? "", reasons[reason] ? `${what}: ${reasons[reason]}` : what];
}

// summary is the beginning of the data as it was sent. Nothing that stands before the data in the
// text can contain the mark: a quote within a string is escaped.
function summary(text, event, most) {
  if (event.tombstone) return "tombstone";
  if (event.redacted) return "redacted";
  if (typeof event.data === "string") return event.data.slice(0, most);
  const mark = '"data":';
  const at = text.indexOf(mark);
  return at < 0 ? "" : text.slice(at + mark.length, Math.min(text.length - 1, at + mark.length + most));
}
