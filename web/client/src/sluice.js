// The JavaScript client of Sluice: streams of Kafka in browsers, Node.js, Deno, Bun and
// React Native. See web/docs/javascript.md.

import { Feed } from "./feed.js";
import { SluiceError, advised, lost } from "./fault.js";
import { pathOf, problem, query, readEvents, readPages } from "./http.js";
import { publish } from "./publish.js";
import { dial } from "./socket.js";
import { Subscription } from "./subscription.js";
import { Backoff, Emitter, onWake, patience, until, watchdog } from "./wait.js";

export { SluiceError };

/** The version of the server that this file belongs to. */
export const version = "__VERSION__";

const carriers = {
  websocket: (feed, client, signal) => {
    let link = [...client.links].find((l) => !l.held.has(feed.key));
    if (!link) client.links.add((link = dial(client)));
    return link.carry(feed, signal);
  },
  sse: readEvents,
  pages: readPages,
};

const slowest = 30000; // how long a function may take to return a token

// wire returns the reading parameters among options, as they are sent. A Date is written as RFC 3339.
const wire = (stream, { key, signal, store, ack, buffer, ...parameters }) =>
  JSON.parse(JSON.stringify({ stream, key: key && [key].flat(), ...parameters }));

class Sluice extends Emitter {
  links = new Set();
  sources = [];
  plain = new Set(); // streams that take no message ids
  wakers = new Set();
  attempts = new Set(); // functions that end attempts to carry feeds
  rung = 0; // of the transports
  ids = 0;
  stop = new AbortController();

  constructor(url, options) {
    super();
    this.options = options;
    this.base = new URL(url, globalThis.location).href.replace(/\/*$/, "/");
    this.WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.transports = options.transports ?? Object.keys(carriers).slice(this.WebSocket ? 0 : 1);
    this.backoff = new Backoff(options.backoff);
    this.renewable = options.token?.bind; // of a function
    onWake((moved) => this.wake(moved), this.stop);
    options.signal?.addEventListener("abort", () => this.close(), this.stop);
  }

  subscribe(stream, options = {}) {
    const sub = new Subscription(this, wire(stream, options), options);
    // Handlers are added before the first event.
    const start = async () => this.attach(sub, (await options.store?.getItem(sub.label)) || "");
    start().catch((error) => sub.end(error));
    return sub;
  }

  attach(sub, stored) {
    if (sub.options.signal?.aborted) sub.quit();
    if (sub.over) return;
    const { from = "latest", reset } = sub.parameters;
    const equal = this.sources.find(
      (f) => f.share === sub.share && !f.full && !stored && !reset &&
        (f.live ? from === "latest" : !f.position.cursor && (f.parameters.from ?? "latest") === from),
    );
    sub.position.cursor = stored;
    if (!equal) return this.begin(sub);
    sub.position.set(equal.position);
    equal.join(sub);
    if (equal.live) sub.take({ type: "caught_up" }, "", 0);
  }

  // begin gives a subscription a feed of its own, at its position.
  begin(sub) {
    const feed = new Feed(this, sub.parameters, sub.position);
    feed.share = sub.share;
    this.sources.push(feed);
    feed.join(sub);
    feed.run();
  }

  /** part takes a slow subscription off a feed that others share. What it has not taken comes again. */
  part(sub) {
    const { source } = sub;
    Object.assign(sub, { queue: [], held: 0, full: false });
    this.begin(sub);
    source.leave(sub);
  }

  forget(feed) {
    this.sources = this.sources.filter((f) => f !== feed);
  }

  /** carry carries a feed by the transport of the moment, until it throws how that ended. */
  async carry(feed, signal) {
    const { options, transports } = this;
    const at = this.rung;
    const attempt = new AbortController();
    let cause; // the AbortController of React Native has had no reason
    const stop = (fault) => {
      cause = fault;
      attempt.abort();
    };
    const watch = watchdog(() => stop(lost("silence", { next: this.transport !== transports[at] })));
    signal.addEventListener("abort", stop, attempt);
    this.attempts.add(stop);
    try {
      if (options.carry) return await options.carry(feed, attempt.signal);
      if (transports[at] === "sse") watch(patience);
      return await carriers[transports[at]](feed, this, attempt.signal, watch);
    } catch (error) {
      const fault = advised(cause ?? error);
      if (fault.next && at + 1 < transports.length) {
        this.rung = Math.max(this.rung, at + 1);
      } else {
        fault.next = false;
        if (fault.code === "connection_lost") this.rung = 0;
      }
      throw fault;
    } finally {
      watch();
      this.attempts.delete(stop);
      stop();
    }
  }

  /** reached says by which transport the server was reached. */
  reached(transport) {
    if (this.transport !== transport) this.emit("state", { transport: (this.transport = transport) });
  }

  /** sleep ends early when the page wakes, unless the server has asked to wait. */
  sleep(ms, signal, { retry_after_ms }) {
    return until(ms, signal, retry_after_ms ? undefined : this.wakers);
  }

  /** rouse ends waits for the next attempt. */
  rouse() {
    for (const waker of this.wakers) waker();
  }

  /** wake checks the connections at once. In browsers it is called by itself. */
  wake(moved) {
    if (moved) this.rung = 0;
    for (const link of this.links) link.probe();
    if (moved && !this.links.size) for (const stop of this.attempts) stop(lost("moved", { delay: 0 }));
    this.rouse();
  }

  async credential() {
    const { token } = this.options;
    if (!this.renewable) return token;
    // A function that never answers must not keep the client from trying again.
    this.bearer ??= new Promise((resolve, reject) => {
      const watch = watchdog(() => reject(lost("silence")));
      watch(slowest);
      const ask = async () => resolve(await token());
      ask().catch(reject).finally(watch);
    }).catch((error) => {
      this.renew();
      throw error;
    });
    return this.bearer;
  }

  /** renew has the next request ask for a token. */
  renew() {
    this.bearer = undefined;
  }

  /** ask makes a request, with a token. */
  async ask(path, init) {
    const { fetch = globalThis.fetch, credentials } = this.options;
    const token = await this.credential();
    const headers = token ? { ...init.headers, Authorization: "Bearer " + token } : init.headers;
    const response = await fetch(this.base + path, { credentials, ...init, headers });
    if (!response.ok) throw await problem(response);
    return response;
  }

  /** request sends and receives JSON, and asks for another token once. */
  async request(method, path, content, signal) {
    const init = { method, signal };
    if (content) Object.assign(init, { body: JSON.stringify(content), headers: { "Content-Type": "application/json" } });
    const response = await this.ask(path, init).catch((error) => {
      if (!this.renewable || error.status !== 401) throw error;
      this.renew();
      return this.ask(path, init);
    });
    return response.status === 204 ? undefined : response.json();
  }

  publish = publish.bind(undefined, this);

  page(stream, { stream: _, ...parameters }, signal) {
    return this.request("GET", pathOf(stream) + "records" + query(parameters), undefined, signal);
  }

  /** pages iterates over pages until there are no more records, or, with wait, for ever. */
  async *pages(stream, options = {}) {
    for (let parameters = wire(stream, options); ; ) {
      const page = await this.page(stream, parameters, options.signal);
      yield page;
      if (page.caught_up && !options.wait) return;
      parameters = { ...parameters, from: page.cursor, cursor_name: undefined, reset: undefined };
    }
  }

  close() {
    this.stop.abort();
    for (const { subs } of this.sources) for (const sub of subs) sub.close();
    // Connections end when nothing uses them: what is being published may have its answer.
  }
}

/** connect returns a client. It connects when there is something to do. */
export const connect = (url = "/", options = {}) => new Sluice(url, options);
