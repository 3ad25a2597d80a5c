// The wires of a client: WebSocket and fetch as the client is given them, so that what passes
// can be seen, and the connection cut beneath it.

// Wires tells seen({direction, text, size}) of each frame, sent(parameters) of each request
// to read, and message(m) of each message of the server.
export class Wires {
  constructor({ seen, sent, message }) {
    Object.assign(this, { seen, sent, message });
    this.cuts = new Set(); // of the connections that are open
    const wires = this;
    this.WebSocket = class extends Socket {
      constructor(url, protocols) {
        super(wires, url, protocols);
      }
    };
    this.fetch = (url, init) => request(this, url, init);
  }

  // drop ends all connections without a word, and returns how many there were.
  drop() {
    const cuts = [...this.cuts];
    for (const cut of cuts) cut();
    return cuts.length;
  }

  out(text) {
    this.seen({ direction: "out", text, size: sizeOf(text) });
  }

  in(text) {
    this.seen({ direction: "in", text, size: sizeOf(text) });
  }

  note(text) {
    this.seen({ direction: "note", text, size: 0 });
  }

  // read takes a text of the server as a message, if it is one.
  read(text) {
    let m;
    try {
      m = JSON.parse(text);
    } catch {
      return;
    }
    if (m?.records) for (const each of [...(m.gaps ?? []), ...m.records]) this.message(each);
    else if (m) this.message(m);
  }
}

const encoder = new TextEncoder();
const sizeOf = (text) => encoder.encode(text).length;

// Socket is as much of a WebSocket as the client uses.
class Socket {
  constructor(wires, url, protocols) {
    const real = new WebSocket(url, protocols);
    this.real = real;
    this.wires = wires;
    wires.note(`Opening a WebSocket: ${new URL(url).pathname}`);
    real.onopen = (event) => this.isCut || this.onopen?.(event);
    real.onerror = (event) => this.isCut || this.onerror?.(event);
    real.onmessage = (event) => {
      if (this.isCut) return;
      wires.in(event.data);
      for (const line of event.data.split("\n")) wires.read(line);
      this.onmessage?.(event);
    };
    real.onclose = (event) => {
      if (this.isCut) return;
      wires.cuts.delete(this.cut);
      wires.note(`The WebSocket was closed: ${event.code}`);
      this.onclose?.(event);
    };
    wires.cuts.add(this.cut);
  }

  get readyState() {
    return this.isCut ? WebSocket.CLOSED : this.real.readyState;
  }

  send(text) {
    this.wires.out(text);
    const m = JSON.parse(text);
    if (m.type === "subscribe") this.wires.sent(m.last_event_id ?? m.from ?? "");
    this.real.send(text);
  }

  close(...reason) {
    this.real.close(...reason);
  }

  // cut ends it as a lost connection ends: what is still on its way is lost, and the client
  // is told what a browser tells.
  cut = () => {
    this.isCut = true;
    this.wires.cuts.delete(this.cut);
    this.real.close();
    this.onclose?.({ code: 1006 });
  };
}

// request is as much of fetch as the client uses.
async function request(wires, url, init) {
  const cutting = new AbortController();
  const cut = () => cutting.abort(new TypeError("the connection was cut"));
  const stop = () => cutting.abort(init.signal.reason);
  const done = () => {
    wires.cuts.delete(cut);
    init.signal?.removeEventListener("abort", stop);
  };
  init.signal?.addEventListener("abort", stop);
  if (init.signal?.aborted) stop();
  wires.cuts.add(cut);
  const { pathname, search, searchParams } = new URL(url);
  wires.out(`${init.method ?? "GET"} ${pathname}${search}`);
  wires.sent(searchParams.get("last_event_id") ?? searchParams.get("from") ?? "");
  try {
    const response = await fetch(url, { ...init, signal: cutting.signal });
    wires.note(`HTTP status ${response.status}, ${response.headers.get("content-type") ?? "no content"}`);
    const json = async () => {
      const text = await response.text().finally(done);
      wires.in(text);
      wires.read(text);
      return JSON.parse(text);
    };
    return { ok: response.ok, status: response.status, headers: response.headers, json, body: { getReader: () => reader(wires, response, done) } };
  } catch (error) {
    done();
    throw error;
  }
}

// reader hands on what it has read, and shows the events (HTML standard, server-sent events)
// of which it is the end.
function reader(wires, response, done) {
  const real = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  return {
    async read() {
      let chunk;
      try {
        chunk = await real.read();
      } catch (error) {
        done();
        throw error;
      }
      if (chunk.done) {
        done();
        wires.note("The response has ended");
        return chunk;
      }
      const events = (rest + decoder.decode(chunk.value, { stream: true })).split(/\r?\n\r?\n/);
      rest = events.pop();
      for (const event of events) {
        wires.in(event);
        const data = /^data: ?(.*)$/m.exec(event);
        if (data) wires.read(data[1]);
      }
      return chunk;
    },
  };
}
