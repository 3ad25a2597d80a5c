// One connection for all tabs of an origin. Web Locks choose the tab that has it, and the
// next one when that tab ends; a BroadcastChannel carries its messages to the others.

import { connect as direct, version } from "./sluice.js";
import { SluiceError, advised, lost } from "./fault.js";
import { Position } from "./position.js";

export { SluiceError, version };

const settled = 10000; // how long feeds have been live before they are joined

const lived = new WeakMap(); // since when feeds are live

// joins says whether nothing is missed if one feed goes on with the other.
const joins = (feed, other) => {
  for (const f of [feed, other]) {
    if (!f.live || f.full) {
      lived.delete(f);
      return false;
    }
    if (!lived.has(f)) lived.set(f, Date.now());
    if (Date.now() < lived.get(f) + settled) return false;
  }
  for (const [place, next] of other.position.offsets) if ((feed.position.offsets.get(place) ?? 0) < next) return false;
  return true;
};

// merge joins equal feeds that have caught up with each other: tabs that follow the same
// stream have begun at different places.
const merge = (hub, feed) => {
  const [first, ...others] = hub.sources.filter((f) => f.share === feed.share);
  for (const other of others) {
    if (!joins(other, first)) continue;
    for (const sub of [...other.subs]) {
      first.join(sub);
      other.leave(sub);
    }
  }
};

const shown = ({ code, message, action, retryable, retry_after_ms, errors, status, close }) => ({ code, message, action, retryable, retry_after_ms, errors, status, close });

/** connect is the one of sluice.js, and shares the connection with other tabs where the browser can. */
export const connect = (url, options = {}) => {
  const { navigator, BroadcastChannel } = globalThis;
  if (!navigator?.locks || !BroadcastChannel) return direct(url, options);

  const me = Math.random().toString(36).slice(2);
  const carried = new Map(); // feeds of this tab, by id
  const relays = new Map(); // feeds of all tabs, in the tab that has the connection
  const over = new AbortController();
  let hub; // the client that has the connection, if it is this tab
  let mine; // resolves when this tab has its lock
  let leave;
  let count = 0;

  const client = direct(url, {
    ...options,
    carry: (feed, signal) =>
      new Promise((resolve, reject) => {
        const id = me + ++count;
        const end = (error) => {
          if (!carried.delete(id)) return;
          feed.onfull = undefined;
          tell({ leave: id });
          error ? reject(error) : resolve();
        };
        carried.set(id, { feed, end });
        feed.onfull = () => end();
        signal.addEventListener("abort", () => end());
        const { cursor, offsets } = feed.position;
        const m = { carry: id, tab: me, parameters: feed.parameters, at: cursor && String(feed.position), offsets };
        // Not before this tab has its lock, which would be taken as its end.
        mine.then(() => carried.has(id) && tell(m));
      }),
  });
  // Tabs with another version of this module speak another way.
  const name = ["sluice", version, client.base, options.group ?? ""].join(" ");
  const channel = new BroadcastChannel(name);

  // tell speaks to the tab that has the connection, hear to the tab of a feed.
  const tell = (m) => (hub ? serve(m) : channel.postMessage(m));
  const hear = (m) => {
    const c = carried.get(m.to);
    if (!c) return channel.postMessage(m);
    if (m.end) c.end(new SluiceError(m.end));
    else if (m.joined) for (const at of [c.feed, ...c.feed.subs]) at.position.set(m.joined);
    else if (m.state) c.feed.say(m.state);
    else c.feed.take(m.m, m.cursor, m.size);
  };

  // serve is what the tab with the connection does for the others, and itself.
  const serve = (m) => {
    if (m.leave) {
      const relay = relays.get(m.leave);
      relays.delete(m.leave);
      if (relay) relay.over = true;
      relay?.source?.leave(relay);
    }
    if (!m.carry || relays.has(m.carry)) return;
    const to = m.carry;
    const { from, reset, ...shared } = m.parameters;
    const position = new Position(m.parameters.stream);
    position.offsets = new Map(m.offsets);
    const relay = {
      parameters: m.parameters,
      share: JSON.stringify(shared),
      position,
      options: {},
      tab: m.tab,
      take: (m, cursor, size) => position.take(m, cursor) && hear({ to, m, cursor, size }),
      say: ({ state, retryIn }) => hear({ to, state: { state, retryIn } }),
      emit: () => {},
      close: () => {},
      end: (error) => {
        relays.delete(to);
        relay.source?.leave(relay);
        hear({ to, end: shown(error) });
      },
    };
    if (![...relays.values()].some((r) => r.tab === m.tab) && m.tab !== me) {
      // The lock of a tab is free when the tab has ended.
      navigator.locks.request(name + m.tab, { signal: over.signal }, () => {
        for (const [id, { tab }] of relays) if (tab === m.tab) serve({ leave: id });
      }).catch(() => {});
    }
    relays.set(to, relay);
    hub.attach(relay, m.at);
    // What joins another feed is where that is.
    if (!m.at && position.cursor) hear({ to, joined: { ...position } });
  };

  channel.onmessage = ({ data }) => {
    if (data.led) for (const c of [...carried.values()]) c.end(lost("another tab has the connection", { quiet: true, delay: 0 }));
    else if (data.to) carried.has(data.to) && hear(data);
    else if (hub) serve(data);
  };

  // enter has this tab take part, until it is left: a page may be kept for when the user
  // comes back, and must not hold the connection for others then.
  const enter = () => {
    const left = new AbortController();
    const { signal } = left;
    const held = () => new Promise((resolve) => signal.addEventListener("abort", resolve));
    const again = () => {
      for (const c of [...carried.values()]) c.end(lost("another tab has the connection", { quiet: true, delay: 0 }));
    };
    leave = () => {
      left.abort();
      hub?.close();
      hub = undefined;
      relays.clear();
    };
    mine = new Promise((resolve) => {
      const granted = () => {
        resolve();
        return held();
      };
      navigator.locks.request(name + me, { signal }, granted).catch(() => {});
    });
    const lead = () => {
      hub = direct(url, { ...options, onCursor: (feed) => merge(hub, feed) });
      hub.on("state", (state) => client.emit("state", state));
      hub.on("error", (error) => client.emit("error", advised(error)));
      channel.postMessage({ led: true });
      again();
      return held();
    };
    navigator.locks.request(name, { signal }, lead).catch(() => {});
    again();
  };
  enter();
  globalThis.addEventListener("pagehide", () => leave(), { signal: over.signal });
  globalThis.addEventListener("pageshow", ({ persisted }) => persisted && enter(), { signal: over.signal });

  const { close } = client;
  client.close = () => {
    close.call(client);
    over.abort();
    leave();
    channel.close();
  };
  options.signal?.addEventListener("abort", client.close);
  return client;
};
