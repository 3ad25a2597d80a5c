// The record as it comes back: a small subscription, which ends with it.

import { show } from "../shared/json.js";
import { server, streamPath } from "../shared/server.js";

const patience = 15_000; // ms
const longest = 64 << 10; // characters that are laid out, and shown

// comeBack resolves with the text of a record of a stream, as the server sends it, or throws
// why it does not come.
async function comeBack(stream, { partition, offset }, signal) {
  const query = new URLSearchParams({ from: `offset:${partition}:${offset}`, filter: `partition == ${partition} && offset == ${offset}` });
  const response = await server.fetch(streamPath(stream, `/events?${query}`), { signal, headers: { accept: "application/x-ndjson" } });
  if (!response.ok) throw new Error(`The server answers ${response.status} to the subscription.`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) throw new Error("The server has ended the subscription.");
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line) continue;
      const message = JSON.parse(line);
      const { type } = message;
      if (type === "event" && message.partition === partition && message.offset === offset) return line;
      if (type === "gap" && message.partition === partition && message.from <= offset && offset < message.to) throw new Error(`Subscribers get a gap in its place (${message.reason}).`);
      if (type === "closing") throw new Error(message.message ?? message.code);
    }
  }
}

export class Echo {
  constructor({ root, note, record, link }) {
    Object.assign(this, { root, note, record, link });
  }

  clear() {
    this.stop?.abort();
    this.root.hidden = true;
    this.record.hidden = true;
    this.record.replaceChildren();
  }

  async watch(stream, place, allowed) {
    this.clear();
    this.root.hidden = false;
    this.link.hidden = !allowed;
    if (!allowed) {
      this.note.textContent = "You may not subscribe to this stream.";
      return;
    }
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(new Error("It has not come back. Your rights may leave it out, or the stream is behind.")), patience);
    this.stop = stop;
    const begun = performance.now();
    this.note.textContent = "Waiting for it.";
    try {
      const text = await comeBack(stream, place, stop.signal);
      this.note.textContent = `It came back after ${Math.round(performance.now() - begun)} ms.`;
      if (text.length > longest) this.record.textContent = `${text.slice(0, longest)} … ${(text.length - longest).toLocaleString()} more characters`;
      else show(text, this.record);
      this.record.hidden = false;
    } catch (error) {
      if (this.stop === stop && error?.name !== "AbortError") this.note.textContent = error.message;
    } finally {
      clearTimeout(late);
      // The connection ends with what was waited for.
      stop.abort();
    }
  }
}
