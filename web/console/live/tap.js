// The texts of events as the client receives them: it hands on what it has parsed, which has lost
// digits.
//
// The client handles a message of a WebSocket at once, line by line; so an event is one of the
// lines of the last message. Over an event stream, which the client reads where there is no
// WebSocket to be had, texts are kept by the place of the record until the event is handed on.

// How many texts of an event stream are kept: more than a chunk of it has.
const mostTexts = 20000;

export class Tap {
  lines = [];
  at = 0; // the line after that of the last event
  texts = new Map();
  ahead = null; // how far the server's clock is ahead of this one, in ms, as far as it is known
  coarse = false; // whether that is known to a second only

  constructor() {
    const tap = this;
    this.WebSocket = class extends WebSocket {
      set onmessage(handle) {
        super.onmessage = (message) => {
          tap.take(message.data);
          handle(message);
        };
      }
    };
  }

  take(message) {
    this.lines = message.split("\n");
    this.at = 0;
    if (message.startsWith('{"type":"welcome"')) {
      this.ahead = JSON.parse(message).now - Date.now();
      this.coarse = false;
    }
  }

  fetch = async (address, init) => {
    const response = await fetch(address, init);
    const date = Date.parse(response.headers.get("date") ?? "");
    if (date) {
      this.ahead = date + 500 - Date.now();
      this.coarse = true;
    }
    if (!response.ok || !response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    const decoder = new TextDecoder();
    let rest = "";
    const getReader = () => {
      const reader = response.body.getReader();
      return {
        read: async () => {
          const chunk = await reader.read();
          if (chunk.done) return chunk;
          const lines = (rest + decoder.decode(chunk.value, { stream: true })).split("\n");
          rest = lines.pop();
          for (const line of lines) this.keep(line);
          return chunk;
        },
      };
    };
    return { ok: true, status: response.status, body: { getReader } };
  };

  keep(line) {
    const place = /^data: ?\{"type":"event",(?:"feed":"[^"]*",)?"stream":"([^"]*)","partition":(\d+),"offset":(\d+),/.exec(line);
    if (!place) return;
    if (this.texts.size >= mostTexts) this.texts.delete(this.texts.keys().next().value);
    this.texts.set(place.slice(1).join("/"), line.replace(/^data: ?/, "").trimEnd());
  }

  // text returns the text of the event that the client has just handed on.
  text(event) {
    const mark = `"stream":"${event.stream}","partition":${event.partition},"offset":${event.offset},`;
    for (let i = this.at; i < this.lines.length; i++) {
      if (!this.lines[i].includes(mark)) continue;
      this.at = i + 1;
      return this.lines[i];
    }
    const place = `${event.stream}/${event.partition}/${event.offset}`;
    const text = this.texts.get(place);
    this.texts.delete(place);
    return text ?? JSON.stringify(event);
  }
}
