// One WebSocket, which carries feeds and publishes until it ends.

import { SluiceError, advised, closed, lost } from "./fault.js";
import { goesBack } from "./position.js";
import { patience, watchdog } from "./wait.js";

const slack = 10000; // beyond the server's ping interval
const probing = 5000; // how long an answer may take after the page has slept
const early = 0.8; // of a token's time have passed when the next is asked for
const idle = 1000; // how long a connection that nothing uses is kept

/** dial opens a WebSocket, and returns what the client does with it. */
export const dial = (client) => {
  const carried = new Map(); // by id of the subscription
  const routes = new Map(); // by name of a feed, or stream of a pattern
  const calls = new Map(); // by id of the request
  const held = new Set(); // feeds that this session has or will have
  let socket, over, closing, draining, renewing, patient;
  let opened, failed;
  const ready = new Promise((resolve, reject) => {
    opened = resolve;
    failed = reject;
  });
  ready.catch(() => {}); // those who wait are told

  const end = (error) => {
    if (over) return;
    over = true;
    for (const watch of [silence, renewal, resting, drain]) watch();
    client.links.delete(link);
    // All that it carried waits for the same time.
    if (!error.next && error.action === "resume") error.delay ??= client.backoff.delay(error);
    failed(error);
    for (const c of carried.values()) c.end(error);
    for (const call of calls.values()) call.no(lost("silence", {}, error));
    socket?.close();
  };
  // cut is the fault of a connection that ends without a word: before it has begun, another transport may get through.
  const cut = () => lost("silence", { next: !link.limits });

  // What happens if nothing else does.
  const silence = watchdog(() => end(cut()));
  const resting = watchdog(() => held.size || calls.size || end(cut()));
  const renewal = watchdog(() => renew());
  // The feeds go to another connection, and what is in flight stays here.
  const drain = watchdog(() => {
    client.links.delete(link);
    for (const c of carried.values()) c.end(lost("silence", { quiet: true, delay: 0 }));
  });

  const send = (m) => socket?.readyState === 1 && socket.send(JSON.stringify(m));

  // call sends a request and waits for its answer.
  const call = (m, signal) => {
    const id = "j" + ++client.ids;
    const done = new AbortController();
    return new Promise((resolve, reject) => {
      calls.set(id, { yes: resolve, no: reject });
      signal?.addEventListener("abort", () => reject(signal.reason), done);
      send({ ...m, id });
    }).finally(() => {
      done.abort();
      calls.delete(id);
      resting(idle);
    });
  };

  // expires has a new token asked for ahead of the end of this one.
  const expires = ({ expires_in_ms: ms }) => renewal(ms * early);
  const renew = async () => {
    if (renewing || !client.renewable) return;
    renewing = true;
    try {
      client.renew();
      expires(await call({ type: "auth", token: await client.credential() }));
    } catch (error) {
      // The session goes on until its token expires; before that it brings another attempt.
      client.emit("error", advised(error));
    }
    renewing = false;
  };

  const route = (c, names) => {
    for (const name of Object.values(names ?? {})) routes.set(name, c);
  };
  const unroute = (c) => {
    for (const [name, other] of routes) if (other === c) routes.delete(name);
  };

  const receive = (m, size) => {
    const { type, id } = m;
    const request = calls.get(id);
    const c = id ? carried.get(id) : routes.get(m.feed ?? m.stream);
    if (type === "welcome") {
      link.limits = m.limits;
      patient = m.ping_ms + slack;
      expires(m);
      client.reached("websocket");
      client.rouse();
      opened();
    } else if (type === "token_expiring") renew();
    else if (type === "drain") drain((draining = m.reconnect_ms || 1));
    else if (type === "closing") closing = new SluiceError(m);
    else if (type === "status") {
      for (const { source: feed } of carried.values()) if (feed.stream === m.stream || feed.position.several) feed.take(m);
    } else if (request) type === "error" ? request.no(new SluiceError(m)) : request.yes(m);
    else if (!c) return;
    else if (type === "error") c.leave ? c.leave() : c.end(new SluiceError(m)); // of a pause: it is unsubscribed in place of that
    else if (type === "unsubscribed") {
      const { reason, retryable } = m;
      const action = retryable ? "resume" : goesBack(m) || reason === "retention" || reason === "moved" ? "resync" : "stop";
      c.end(reason === "requested" ? undefined : new SluiceError({ code: reason, action, ...m }));
    } else if (!c.deaf) {
      if (type === "subscribed") {
        route(c, [m.feed]);
        c.leave = c.left;
      }
      route(c, m.feeds ?? m.streams ?? m.added);
      c.source.take(m, m.cursor, size);
    }
  };

  const open = async () => {
    const token = await client.credential();
    if (over) return;
    socket = new client.WebSocket(client.base.replace("http", "ws") + "v1/ws", client.options.lines ? "sluice.v1.lines" : "sluice.v1.json");
    silence((patient = patience));
    socket.onopen = () => send(token ? { type: "auth", id: "0", token } : { type: "ping" });
    socket.onmessage = ({ data }) => {
      silence(patient);
      try {
        // The server writes line ends between messages only.
        for (const line of data.split("\n")) if (line && !over) receive(JSON.parse(line), line.length);
      } catch (error) {
        end(advised(error));
      }
    };
    // No close follows the error of a handshake in some versions of Node.js.
    socket.onerror = socket.onclose = ({ code }) => end(closing ?? (link.limits ? closed(code) : cut()));
  };

  const link = {
    held,
    call,
    end,
    /** busy says that the limits of the session, or its end, leave no room for another publish. */
    busy: () => !link.limits || draining || calls.size >= link.limits.publishes_per_session,
    /** probe finds out whether the connection is alive, after the page may have slept. */
    probe: () => {
      send({ type: "ping" });
      silence(probing);
    },
    /** carry carries a feed until the signal aborts, or it throws how that ended. */
    carry: async (feed, signal) => {
      held.add(feed.key);
      const id = "j" + ++client.ids;
      const c = { source: feed };
      const tell = (type) => c.deaf || send({ type, id });
      try {
        await ready;
        await new Promise((resolve, reject) => {
          c.end = (error) => {
            carried.delete(id);
            c.deaf = true;
            error ? reject(error) : resolve();
          };
          // What still arrives for a subscription that is left is not taken.
          c.left = () => {
            tell("unsubscribe");
            c.deaf = true;
            unroute(c);
            if (signal.aborted) c.end();
          };
          signal.addEventListener("abort", c.left);
          if (signal.aborted) return resolve();
          carried.set(id, c);
          feed.onfull = () => tell("pause");
          feed.onroom = () => tell("resume");
          send({ type: "subscribe", id, ...feed.request() });
        });
      } finally {
        unroute(c);
        held.delete(feed.key);
        feed.onfull = feed.onroom = undefined;
        resting(idle);
      }
    },
  };
  open().catch((error) => end(advised(error)));
  return link;
};
