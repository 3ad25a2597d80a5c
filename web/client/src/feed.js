// A feed is one subscription on the wire, which equal subscriptions of a page share.

import { advised } from "./fault.js";
import { Position } from "./position.js";
import { Backoff } from "./wait.js";

const renewals = 2; // tokens in a row that may be refused

export class Feed {
  subs = new Set();
  stop = new AbortController();
  refused = 0;
  full = false;

  constructor(client, parameters, position) {
    this.client = client;
    this.parameters = parameters;
    this.stream = parameters.stream;
    this.position = new Position(this.stream);
    this.position.set(position);
    // A session has each of these once.
    const { from, reset, on_gap, cursor_name, ...filter } = parameters;
    this.key = JSON.stringify(filter);
    this.backoff = new Backoff(client.options.backoff);
  }

  /** request returns the parameters that go on after the position. */
  request() {
    const cursor = String(this.position);
    const { parameters } = this;
    if (!cursor) return parameters;
    if (this.position.several) return { ...parameters, last_event_id: cursor };
    return { ...parameters, from: cursor, ...(parameters.cursor_name && { reset: true }) };
  }

  join(sub) {
    this.subs.add(sub);
    sub.source = this;
    if (this.last) sub.say(this.last);
  }

  leave(sub) {
    this.subs.delete(sub);
    if (!this.subs.size) {
      this.stop.abort();
      this.client.forget(this);
    }
    this.check();
  }

  /** take takes a message of the server, in order, with the cursor after it. */
  take(m, cursor, size) {
    const { type } = m;
    if (type === "status") return this.say({ state: m.live ? "live" : "stale" });
    if (type === "event" || type === "caught_up") this.refused = this.backoff.attempts = this.client.backoff.attempts = 0;
    if (type === "caught_up") {
      this.live = true;
      this.say({ state: "live" });
    }
    if (!this.position.take(m, cursor)) return;
    for (const sub of this.subs) sub.take(m, cursor, size);
    if (cursor) this.client.options.onCursor?.(this);
  }

  say(state) {
    this.last = state;
    for (const sub of this.subs) sub.say(state);
  }

  // check notices when a subscription has more than it should hold, and when there is room.
  check() {
    const slow = [...this.subs].filter((sub) => sub.full);
    const full = slow.length === (this.subs.size || 1); // what nobody wants is not full
    if (!full) for (const sub of slow) this.client.part(sub); // it slows only itself
    if (full === this.full) return;
    this.full = full;
    this.say({ state: full ? "paused" : this.live ? "live" : "connecting" });
    full ? this.onfull?.() : this.onroom?.();
  }

  /** room resolves when more can be taken. */
  room() {
    return this.full && new Promise((resolve) => (this.onroom = resolve));
  }

  /** run carries the feed until nobody wants it or it cannot go on. */
  async run() {
    const { client, backoff } = this;
    const { signal } = this.stop;
    while (!signal.aborted) {
      await this.room();
      this.live = false;
      this.say({ state: "connecting" });
      let error;
      try {
        await client.carry(this, signal);
        continue; // it was full, and goes on when there is room
      } catch (thrown) {
        error = advised(thrown);
      }
      const { action, code } = error;
      let delay = error.next ? 0 : error.delay;
      if (action === "resync" && this.position.cursor) {
        this.take({ type: "gap", stream: this.stream, reason: action, code }, "", 0);
      } else if (action === "reauthenticate" && client.renewable && this.refused++ < renewals) {
        client.renew();
        delay = error.retry_after_ms ?? 0;
      } else if (action !== "resume") {
        client.forget(this);
        for (const sub of this.subs) sub.end(error);
        return;
      }
      if (!error.quiet && !error.next) for (const sub of this.subs) sub.emit("error", error);
      delay ??= backoff.delay(error);
      if (delay) this.say({ state: "waiting", error, retryIn: delay });
      await client.sleep(delay, signal, error);
    }
  }
}
