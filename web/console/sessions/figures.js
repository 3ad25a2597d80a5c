// What is worked out from what the server tells of a session.

// Rates works out how fast sessions receive, from the differences between answers.
export class Rates {
  seen = new Map(); // by session

  // note adds rate, in records a second, and byteRate to sessions that were seen before. at
  // is when they were told of, in ms.
  note(sessions, at) {
    const seen = new Map();
    for (const session of sessions) {
      const before = this.seen.get(session.session);
      if (session.busy) { // its numbers are not known this time
        if (before) seen.set(session.session, before);
        continue;
      }
      // Answers that follow each other at once, as after a click, say nothing of the rate.
      if (before && at - before.at < 500) {
        seen.set(session.session, before);
        Object.assign(session, { rate: before.rate, byteRate: before.byteRate });
        continue;
      }
      if (before) {
        const seconds = (at - before.at) / 1000;
        session.rate = Math.max(0, session.sent_records - before.records) / seconds;
        session.byteRate = Math.max(0, session.sent_bytes - before.bytes) / seconds;
      }
      seen.set(session.session, {
        at, records: session.sent_records, bytes: session.sent_bytes, rate: session.rate, byteRate: session.byteRate,
      });
    }
    this.seen = seen;
    return sessions;
  }
}

// lagOf is the largest lag of a session's subscriptions, in records, and ageOf how old the
// oldest record is that one of them lacks, in ms; undefined if none is known.
export const lagOf = (session) => largest(session, "lag_records");
export const ageOf = (session) => largest(session, "lag_ms");

function largest(session, name) {
  const known = (session.subscriptions ?? []).map((s) => s[name]).filter((n) => typeof n === "number");
  return known.length ? Math.max(...known) : undefined;
}

// stateOf is the state of a session: what its subscriptions have in common, else the number
// of each. A session is busy while a write to its connection blocks.
export function stateOf(session) {
  if (session.unauthenticated) return "not authenticated";
  if (session.busy) return "busy";
  const states = new Map();
  for (const { state } of session.subscriptions ?? []) states.set(state, (states.get(state) ?? 0) + 1);
  if (states.size <= 1) return [...states.keys()][0] ?? "idle";
  return [...states].map(([state, n]) => `${n} ${state}`).join(", ");
}

export const streamsOf = (session) => [...new Set((session.subscriptions ?? []).map((s) => s.stream ?? s.pattern))];

const text = (of) => (a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0);
const number = (of) => (a, b) => (of(a) ?? -1) - (of(b) ?? -1);

// orders compare sessions, by column.
export const orders = {
  principal: text((s) => s.principal ?? ""),
  protocol: text((s) => s.protocol ?? ""),
  address: text((s) => s.address ?? ""),
  since: number((s) => s.started),
  rate: number((s) => s.rate),
  lag: number(lagOf),
  age: number(ageOf),
  state: text(stateOf),
  streams: text((s) => streamsOf(s).join()),
};

// byServer are the orders that the server has, over all sessions and not only those of a page,
// by what it calls them.
export const byServer = new Map([["-since", "started"], ["-lag", "lag_records"]]);
