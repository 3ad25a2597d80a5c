// The frames that have passed, newest first, in a list of bounded length and without the
// token.

import { el } from "../shared/dom.js";

const kept = 300;
const longest = 4000; // characters of a frame that are kept
const shown = 1200; // and that stand in the list

const format = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false });

const marks = { out: ["→", "sent"], in: ["←", "received"], note: ["·", "note"] };

const hidden = "•••";

export class Frames {
  constructor(root, token) {
    Object.assign(this, { root, token });
    this.clear();
  }

  clear() {
    this.frames = [];
    this.waiting = [];
    this.root.replaceChildren();
  }

  add({ direction, text, size }) {
    const frame = { direction, size, at: Date.now(), text: this.masked(text.slice(0, longest + 3 * this.token.length)).slice(0, longest), length: text.length };
    this.frames.push(frame);
    this.waiting.push(frame);
    if (this.frames.length > 2 * kept) this.frames.splice(0, kept);
    if (this.waiting.length > 2 * kept) this.waiting.splice(0, kept);
  }

  // masked is a text without the token, in whatever frame it stands.
  masked(text) {
    let clean = text.replace(/("type":"auth".*?"token":)"(?:[^"\\]|\\.)*"/, `$1"${hidden}"`);
    if (this.token) for (const form of [this.token, JSON.stringify(this.token).slice(1, -1), encodeURIComponent(this.token)]) clean = clean.replaceAll(form, hidden);
    return clean;
  }

  draw() {
    if (this.waiting.length === 0) return;
    const rows = document.createDocumentFragment();
    for (const frame of this.waiting.slice(-kept)) {
      const [mark, says] = marks[frame.direction];
      const more = frame.length - shown;
      rows.prepend(el("div", { class: `frame ${frame.direction}` },
        el("span", { class: "when" }, format.format(frame.at)),
        el("span", { class: "way" }, el("span", { "aria-hidden": "true" }, mark), el("span", { class: "unseen" }, says)),
        el("span", { class: "size" }, frame.direction === "note" ? "" : bytes(frame.size)),
        el("code", {}, frame.text.slice(0, shown) + (more > 0 ? ` … ${more.toLocaleString()} more` : ""))));
    }
    this.waiting = [];
    this.root.prepend(rows);
    while (this.root.childElementCount > kept) this.root.lastChild.remove();
  }

  get text() {
    return this.frames.slice(-kept).map((f) => `${new Date(f.at).toISOString()} ${f.direction} ${f.size} ${f.text}`).join("\n");
  }
}

export const bytes = (n) => (n < 10_000 ? `${n.toLocaleString()} B` : n < 10_000_000 ? `${(n / 1000).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`);
