// The streams that the principal may read, and which of them is shown first.

import { el } from "../shared/dom.js";
import { server, streamPath } from "../shared/server.js";

// How many streams are compared, by how many of their newest records. How long is waited, in ms: for
// the first that has records, and then for others, since one that is missing answers late.
const compared = 8;
const newest = 20;
const patience = 10000;
const grace = 1000;

// Of how many streams the list can be searched: more than are seen at once.
const searched = 20;

// busiest returns the stream to which most is written: the one that has newer records than others
// among its newest.
export async function busiest(streams) {
  if (streams.length < 2) return streams[0]?.stream;
  const aborting = new AbortController();
  const found = [];
  const look = async ({ stream }) => {
    try {
      const { records } = await server.get(`${streamPath(stream, "/records")}?from=last:${newest}&limit=${newest}`, aborting.signal);
      if (records.length) found.push({ stream, n: records.length, ts: records[0].ts ?? 0 });
    } catch {
      // That it cannot be read is said when it is chosen.
    }
  };
  await new Promise((resolve) => {
    setTimeout(resolve, patience);
    const looked = (stream) => look(stream).then(() => found.length && setTimeout(resolve, grace));
    Promise.all(streams.slice(0, compared).map(looked)).then(resolve);
  });
  aborting.abort();
  found.sort((a, b) => b.n - a.n || b.ts - a.ts);
  return found[0]?.stream ?? streams[0].stream;
}

// facts says what is known of a stream, in a line.
export function facts({ partitions: n, content, publish, filtered, redacted, replay_ms: replay }) {
  return [
    n ? `${n} partition${n === 1 ? "" : "s"}` : "",
    content ?? "",
    publish === false ? "read only" : "",
    filtered ? "some records are not for you" : "",
    redacted ? "some fields are not for you" : "",
    replay >= 0 ? `back to ${duration(replay)}` : "",
  ].filter(Boolean).join(" · ");
}

function duration(ms) {
  const units = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000]];
  const [unit, size] = units.find(([, size]) => ms >= size) ?? ["ms", 1];
  return `${Math.round(ms / size)} ${unit}`;
}

// Menu is the list of streams: a button shows one, and another adds it beside those shown. Where
// there are many, those with a text in their name can be searched.
export class Menu {
  constructor(list, search, note, { choose, add }) {
    Object.assign(this, { list, search, note, choose, add });
    search.addEventListener("input", () => this.find());
  }

  // find lists the streams with the text that is searched in their name.
  find() {
    const text = this.search.value.trim().toLowerCase();
    let found = 0;
    for (const item of this.list.children) {
      item.hidden = !item.firstElementChild.dataset.stream.toLowerCase().includes(text);
      if (!item.hidden) found++;
    }
    this.note.textContent = text ? `${found.toLocaleString()} of ${this.list.children.length.toLocaleString()} streams` : "";
  }

  fill(streams) {
    this.search.hidden = streams.length <= searched;
    this.note.textContent = streams.length ? "" : "There are no streams that you are allowed to read.";
    this.list.replaceChildren(...streams.map(({ stream, topic_missing: missing }) => el("li", {},
      el("button", { type: "button", class: "choose", "data-stream": stream, onclick: () => this.choose(stream) },
        el("span", {}, stream), missing && el("small", {}, "no topic")),
      el("button", { type: "button", class: "add quiet", "aria-label": `Add ${stream} beside`, title: "Add beside", onclick: () => this.add(stream) }, "+"),
    )));
  }

  // mark shows which streams are shown, and whether another has room.
  mark(shown, room) {
    for (const item of this.list.children) {
      const [choose, add] = item.children;
      const is = shown.includes(choose.dataset.stream);
      choose.setAttribute("aria-current", String(is));
      add.disabled = !room;
      if (is) choose.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
}
