// The streams that the principal may read, and which of them is shown first.

import { el } from "../shared/dom.js";
import { server, streamPath } from "../shared/server.js";
import { several } from "./rows.js";

// How many streams are compared, by how many of their newest records. How long is waited, in ms: for
// the first that has records, and then for others, since one that is missing answers late.
const compared = 8;
const newest = 20;
const patience = 10000;
const grace = 1000;

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

// How many streams of a pattern are named.
const named = 6;

// ofPattern says which streams a pattern has.
export function ofPattern(streams, omitted = 0) {
  const n = streams.length;
  const more = n > named ? ` and ${(n - named).toLocaleString()} more` : "";
  const left = omitted ? ` · ${omitted.toLocaleString()} more than a session may have` : "";
  return (n ? `${n.toLocaleString()} stream${n === 1 ? "" : "s"}: ${streams.slice(0, named).join(", ")}${more}` : "no stream matches yet") + left;
}

// matches says whether a stream is one of a pattern, in which an asterisk stands for any characters.
export function matches(pattern, stream) {
  const parts = pattern.split("*").map((part) => part.replace(/[^\w-]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(stream);
}

function duration(ms) {
  const units = [["d", 86400000], ["h", 3600000], ["min", 60000], ["s", 1000]];
  const [unit, size] = units.find(([, size]) => ms >= size) ?? ["ms", 1];
  return `${Math.round(ms / size)} ${unit}`;
}

// Menu is the list of streams: a button shows one, and another adds it beside those shown. Those
// with a text in their name can be searched. A text with an asterisk is a pattern: the streams that
// match are listed, below one entry for all of them, now and in future.
export class Menu {
  streams = [];
  shown = [];
  room = true;

  constructor(list, search, note, { choose, add }) {
    Object.assign(this, { list, search, note, choose, add });
    search.addEventListener("input", () => this.find());
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !search.value.trim()) return;
      event.preventDefault();
      this.list.querySelector("li:not([hidden]) .choose")?.click();
    });
  }

  // find lists the streams with the text that is searched in their name, or that match it.
  find() {
    const text = this.search.value.trim();
    const pattern = text.includes("*") ? text : "";
    const is = (stream) => (pattern ? matches(pattern, stream) : stream.toLowerCase().includes(text.toLowerCase()));
    const found = this.streams.filter(({ stream }) => is(stream)).length;
    this.setPatterns([...new Set([pattern, ...this.shown.filter(several)])].filter(Boolean));
    for (const item of this.list.children) item.hidden = !item.dataset.pattern && !is(item.firstElementChild.dataset.stream);
    this.note.textContent = text ? `${found.toLocaleString()} of ${this.streams.length.toLocaleString()} streams` : "";
    this.mark(this.shown, this.room);
  }

  // setPatterns lists patterns first. Those that stay keep the focus.
  setPatterns(patterns) {
    const had = [...this.list.querySelectorAll("[data-pattern]")];
    if (had.map((item) => item.dataset.pattern).join(" ") === patterns.join(" ")) return;
    for (const item of had) item.remove();
    this.list.prepend(...patterns.map((pattern) => this.pattern(pattern)));
  }

  fill(streams) {
    this.streams = streams;
    this.search.hidden = streams.length < 2;
    this.note.textContent = streams.length ? "" : "There are no streams that you are allowed to read.";
    this.list.replaceChildren(...streams.map(({ stream, topic_missing: missing }) => this.item(stream, missing && "no topic")));
  }

  pattern(pattern) {
    const n = this.streams.filter(({ stream }) => matches(pattern, stream)).length;
    const item = this.item(pattern, `${n.toLocaleString()} stream${n === 1 ? "" : "s"}`);
    item.dataset.pattern = pattern;
    return item;
  }

  item(stream, says) {
    return el("li", {},
      el("button", { type: "button", class: "choose", "data-stream": stream, onclick: () => this.choose(stream) }, el("span", {}, stream), says && el("small", {}, says)),
      el("button", { type: "button", class: "add quiet", "aria-label": `Add ${stream} beside`, title: "Add beside", onclick: () => this.add(stream) }, "+"));
  }

  // show marks what is shown, and whether another has room.
  show(shown, room) {
    const known = this.shown.join() === shown.join();
    Object.assign(this, { shown, room });
    if (known) this.mark(shown, room);
    else this.find();
  }

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
