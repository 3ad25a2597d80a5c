// The events that are shown, newest first, and the one that is looked at.

import { show } from "../shared/json.js";

// What is kept, and how much of an event's data stands in its row.
const kept = 300;
const preview = 400;

export class List {
  constructor({ list, empty, detail, title, follow }) {
    Object.assign(this, { list, empty, detail, title, follow });
    this.number = 0;
    list.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.select(row);
    });
    list.addEventListener("keydown", (event) => this.key(event));
    follow.addEventListener("click", () => {
      this.select(null);
      list.focus();
    });
    this.clear();
  }

  clear() {
    this.waiting = [];
    this.selected = null;
    this.last = null;
    this.list.replaceChildren();
    this.detail.replaceChildren();
    this.title.textContent = "Last event";
    this.follow.hidden = true;
  }

  // add takes an item to be shown at the next draw. Of a burst only the newest
  // are ever made into rows.
  add(item) {
    this.waiting.push(item);
    if (this.waiting.length > 2 * kept) this.waiting.splice(0, kept);
  }

  draw() {
    this.empty.hidden = this.list.childElementCount > 0 || this.waiting.length > 0;
    if (this.waiting.length === 0) return;
    const items = this.waiting.slice(-kept);
    this.waiting = [];
    const atTop = this.list.scrollTop < 4;
    const before = this.list.scrollHeight;
    const rows = document.createDocumentFragment();
    for (const item of items) rows.prepend(this.row(item));
    this.last = rows.firstChild;
    this.list.prepend(rows);
    while (this.list.childElementCount > kept && this.list.lastChild !== this.selected) this.list.lastChild.remove();
    // Whoever has scrolled down to read keeps what is being read in place.
    if (!atTop) this.list.scrollTop += this.list.scrollHeight - before;
    if (!this.selected) this.look(this.last);
  }

  row(item) {
    const row = document.createElement("div");
    row.className = "row";
    row.id = `event-${this.number++}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", "false");
    row.text = item.text;
    const cell = (text) => {
      const span = document.createElement("span");
      span.textContent = text;
      row.append(span);
    };
    if (item.gap) {
      const { partition, from, to, reason, code } = item.gap;
      const missing = to - from;
      row.classList.add("gap");
      cell("gap");
      if (partition === undefined) {
        cell("–");
        cell(code ?? "");
        cell("the position was void; everything since the start follows");
        return row;
      }
      cell(`${partition}:${from}`);
      cell(reason ?? "");
      cell(missing > 0 ? `${missing.toLocaleString()} offsets are missing` : "offsets start over");
      return row;
    }
    const event = JSON.parse(item.text);
    cell(event.ts == null ? "–" : clock(event.ts));
    cell(`${event.partition}:${event.offset}`);
    cell(event.key ?? "–");
    cell(event.tombstone ? "tombstone" : event.redacted ? "redacted" : data(item.text, event));
    return row;
  }

  select(row) {
    this.selected?.setAttribute("aria-selected", "false");
    this.selected = row;
    this.follow.hidden = row === null;
    this.title.textContent = row ? "Chosen event" : "Last event";
    if (!row) {
      this.list.removeAttribute("aria-activedescendant");
      if (this.last) this.look(this.last);
      return;
    }
    row.setAttribute("aria-selected", "true");
    this.list.setAttribute("aria-activedescendant", row.id);
    this.look(row);
  }

  look(row) {
    this.shown = row.text;
    show(row.text, this.detail);
  }

  key(event) {
    const row = this.selected;
    const to = {
      ArrowDown: row ? row.nextElementSibling : this.list.firstElementChild,
      ArrowUp: row?.previousElementSibling,
      Home: this.list.firstElementChild,
      End: this.list.lastElementChild,
    }[event.key];
    if (event.key === "Escape") {
      this.select(null);
    } else if (to) {
      this.select(to);
      to.scrollIntoView({ block: "nearest" });
    } else {
      return;
    }
    event.preventDefault();
  }
}

const hms = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false });

function clock(ms) {
  return hms.format(ms);
}

// data is the text of the event's data, which stands last in it, so that
// numbers look as they were sent.
function data(text, event) {
  if (typeof event.data === "string") return event.data.slice(0, preview);
  const mark = '"data":';
  const at = text.indexOf(mark);
  return at < 0 ? "" : text.slice(at + mark.length, Math.min(text.length - 1, at + mark.length + preview));
}
