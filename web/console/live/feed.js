// One subscription of a pane, by the JavaScript client, which comes back after every loss of the
// connection and continues after the last record. Its WebSocket carries all panes: browsers open
// only six connections at a time over HTTP/1.1, so event streams of several pages would starve.

import { Tap } from "./tap.js";

// Codes for which another token is needed.
const needToken = ["token_expired", "unauthenticated", "revoked", "auth_timeout"];

// connection returns a client that reads for all panes, and the tap on it.
export function connection(server) {
  const tap = new Tap();
  const { WebSocket, fetch } = tap;
  const client = server.client({ lines: true, transports: ["websocket", "sse"], WebSocket, fetch });
  return { client, tap };
}

export class Feed {
  // on has: state(kind, text), began(cursor, streams), streams(change), record(event, text),
  // gap(gap), live(), and refused(error, needsToken). The streams are those of a pattern.
  constructor({ client, tap }, stream, { from, key, filter }, on) {
    const sub = client.subscribe(stream, { from, ...(key && { key }), ...(filter && { filter }) });
    this.sub = sub;
    sub.on("event", (event) => on.record(event, tap.text(event)));
    sub.on("gap", (gap) => on.gap(gap));
    sub.on("streams", (change) => on.streams(change));
    const began = ({ streams }) => on.began(sub.cursor, streams);
    sub.on("subscribed", began);
    sub.on("ready", began); // of an event stream
    sub.on("subscribed", () => on.state("working", "Catching up"));
    sub.on("caughtup", () => on.live());
    sub.on("state", ({ state, error, retryIn }) => {
      switch (state) {
        case "connecting": return on.state("working", "Connecting");
        case "live": return on.state("live", "Live");
        case "stale": return on.state("working", "Kafka is unavailable");
        case "waiting": return on.state("working", waiting(error, retryIn));
        case "closed": return error && on.refused(error, needToken.includes(error.code) || error.action === "reauthenticate");
      }
    });
  }

  get cursor() {
    return this.sub.cursor;
  }

  close() {
    this.sub.close();
  }
}

function waiting(error, ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  return error?.code && error.code !== "connection_lost"
    ? `The server asks to wait (${error.code}), again in ${seconds} s`
    : `Reconnecting in ${seconds} s`;
}
