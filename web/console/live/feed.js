// The connection: an EventSource that comes back where the browser gives up.

// A browser's EventSource reconnects by itself after a lost connection, but
// stops for good at any status but 200, which a proxy in front of a server that
// restarts may well answer. Then another one is opened, from the last id.
const leastWait = 500;
const mostWait = 15000;

export class Feed {
  // on has: state(kind, text), event(text), gap(object), caughtUp(), refused(object),
  // anew(object): the position was void, and the stream begins again without it
  constructor(on) {
    this.on = on;
    this.source = null;
    this.timer = 0;
  }

  open(stream, parameters) {
    this.close();
    this.stream = stream;
    this.parameters = parameters;
    this.last = "";
    this.positioned = false; // whether the server has told a position since the start
    this.attempts = 0;
    this.connect();
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  connect() {
    const query = new URLSearchParams(this.parameters);
    query.set("errors", "stream");
    if (this.last) query.set("last_event_id", this.last);
    const source = new EventSource(`v1/streams/${encodeURIComponent(this.stream)}/events?${query}`);
    this.source = source;
    this.on.state("working", "Connecting");

    const mine = (handle) => (event) => {
      if (this.source !== source) return;
      if (event.lastEventId && event.type !== "sluice.close") {
        this.last = event.lastEventId;
        this.positioned = true;
      }
      handle(event);
    };
    const parsed = (handle) => mine((event) => {
      try {
        handle(JSON.parse(event.data));
      } catch (fault) {
        if (!(fault instanceof SyntaxError)) throw fault;
      }
    });

    source.addEventListener("open", mine(() => {
      this.on.state("working", "Catching up");
    }));
    source.addEventListener("message", mine((event) => {
      this.attempts = 0;
      this.on.event(event.data);
    }));
    source.addEventListener("sluice.caught_up", mine(() => {
      this.attempts = 0;
      this.on.state("live", "Live");
      this.on.caughtUp();
    }));
    source.addEventListener("sluice.cursor", mine(() => {}));
    source.addEventListener("sluice.ready", mine(() => {}));
    source.addEventListener("sluice.gap", parsed((gap) => this.on.gap(gap)));
    source.addEventListener("sluice.status", parsed((status) => {
      if (status.live) this.on.state("live", "Live");
      else this.on.state("working", "Kafka is unavailable");
    }));
    source.addEventListener("sluice.close", parsed((closing) => {
      if (closing.action === "resync" && this.positioned) {
        this.on.anew(closing);
        this.last = "";
        this.positioned = false;
        this.again(closing.retry_after_ms);
        return;
      }
      // Without a position, it is what the page asks for that cannot be had.
      if (["stop", "resync", "reauthenticate"].includes(closing.action)) {
        this.close();
        this.on.refused(closing);
        return;
      }
      // The server says how long to wait; the browser follows its retry field.
      this.on.state("working", "The server asks to wait");
    }));
    source.addEventListener("error", mine(() => {
      if (source.readyState === EventSource.CLOSED) this.again();
      else this.on.state("working", "Reconnecting");
    }));
  }

  // again opens another source after a while: the one that the server asks for, else with
  // full jitter.
  again(asked) {
    this.source?.close();
    this.source = null;
    const most = Math.min(mostWait, leastWait * 2 ** this.attempts++);
    this.on.state("working", "Reconnecting");
    this.timer = setTimeout(() => this.connect(), asked ?? leastWait / 2 + Math.random() * most);
  }
}
