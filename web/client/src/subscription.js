// What an application holds: an iterator and handlers, with a position of its own.

import { SluiceError } from "./fault.js";
import { Position } from "./position.js";
import { Emitter, watchdog } from "./wait.js";

const overhead = 200; // what an event takes beside its text
const saving = 1000; // how long a position may be ahead of the one that is stored

export class Subscription extends Emitter {
  queue = [];
  held = 0; // how much is in the queue
  state = "connecting";
  closing = new AbortController();

  constructor(client, parameters, options) {
    super();
    Object.assign(this, { client, parameters, options });
    this.position = new Position(parameters.stream);
    // Equal subscriptions share a feed.
    const { from, reset, ...shared } = parameters;
    this.share = JSON.stringify(shared);
    this.label = "sluice:" + client.base + this.share;
    options.signal?.addEventListener("abort", this.quit, this.closing);
  }

  quit = () => this.close(this.options.signal.reason);

  // pump hands on what the application can take.
  pump() {
    if (this.iterated) this.more?.();
    else while (this.handlers.event && this.hand());
  }

  /** The position after what the application was handed, to be passed as from. */
  get cursor() {
    return String(this.position);
  }

  /** take takes a message of the feed, in order. */
  take(m, cursor, size) {
    const last = this.queue.at(-1);
    if (m.type === "cursor" && last?.m.type === "cursor") last.cursor = cursor;
    else {
      this.queue.push({ m, cursor, size: size + overhead });
      this.held += size + overhead;
    }
    // What is not kept back by an event is not kept: a position has a cursor before it has events.
    if (!this.busy) this.hand(true);
    this.pump();
    if (!this.full && this.held > (this.options.buffer ?? 1 << 20)) {
      this.full = true;
      this.source.check();
    }
  }

  // hand hands on what comes before the next event, and then, unless it stops there, that event, which
  // it returns for the iterator.
  hand(stops) {
    const { options, queue } = this;
    while (queue.length && !(stops && queue[0].m.type === "event")) {
      const { m, cursor, size } = queue.shift();
      this.held -= size;
      if (this.full && !queue.length) {
        this.full = false;
        this.source?.check();
      }
      // The position is stored from time to time, once all before it was dealt with.
      if (!this.timed && (options.store || options.ack === "auto")) this.saver((this.timed = saving));
      if (this.position.take(m, cursor) && m.type !== "cursor") {
        this.emit(m.type.replace("_", ""), m);
        if (m.type === "event") return m;
      }
    }
  }

  saver = watchdog(() => {
    this.due = true;
    if (!this.busy) this.save();
  });

  save() {
    const { options, timed, cursor } = this;
    this.timed = this.due = false;
    const save = async () =>
      Promise.all([
        options.store?.setItem(this.label, cursor),
        // An ack would undo the move of an operator that waits in the queue.
        options.ack === "auto" && !this.error && !this.queue.some(({ m }) => m.reason === "resync") && this.ack(),
      ]);
    // A position that was void is none until the server says where it is.
    if (timed && cursor)
      save().catch((error) => {
        if (!this.over) this.saver((this.timed = saving)); // it is not stored
        this.emit("error", error);
      });
  }

  /** ack stores a position under the subscription's name, at the server. */
  async ack(cursor = this.cursor) {
    const { stream, cursor_name } = this.parameters;
    if (!cursor_name || this.over) throw new SluiceError({ code: "bad_request", message: "cursor_name" });
    return (await this.client.request("PUT", `v1/cursors/${encodeURIComponent(stream)}/${cursor_name}`, { cursor }, this.options.signal)).cursor;
  }

  /** close ends the subscription; what is left of it is not handed on. */
  close(error) {
    this.queue = [];
    this.end(error);
  }

  end(error) {
    if (this.over) return;
    this.error = error;
    if (!this.busy) this.save();
    this.over = true;
    this.closing.abort();
    this.saver();
    this.source?.leave(this);
    this.say({ state: "closed", error });
    if (error) this.emit("error", error);
    this.pump();
  }

  say(state) {
    this.state = state.state;
    this.emit("state", state);
  }

  async *[Symbol.asyncIterator]() {
    this.iterated = true;
    try {
      for (;;) {
        for (let m; (m = this.hand()); ) {
          this.busy = true;
          yield m;
          this.busy = false;
          if (this.due) this.save(); // the application is done with the event
        }
        if (this.error) throw this.error;
        if (this.over) return;
        await new Promise((resolve) => (this.more = resolve));
      }
    } finally {
      this.close();
    }
  }
}
