// A table of what the server tells in pages, asked for again and again.
//
// Rows do not move while they are read: a refresh changes what stands in them, marks those
// that are gone, and puts new ones below, as far as the page has room. A button then arranges
// the page anew. Only what the user asks for (a search, an order, a page) shows other rows.

import { el } from "../shared/dom.js";
import { put } from "../shared/keyed.js";
import { faultText, patient } from "../shared/faults.js";
import { count } from "../shared/units.js";

// How many rows a page has, and how often it is asked for, in ms, if nothing else is said.
export const pageSize = 100;
const usually = 4000;

// How soon a page is asked for again once it is shown, in ms: two answers make a rate.
const soon = 1500;

export class Listing {
  rows = new Map(); // by key, in the order shown
  page = { before: [], after: "" }; // where the pages before this one begin, and this one
  next = "";
  asking = null; // the AbortController of the request in flight
  timer = 0;
  loaded = false; // the page has been shown
  closed = false;
  order = ""; // see sortable
  whole = new Map();

  // part is the element with the table and what belongs to it. ask(after, signal) returns
  // { items, next, total }, key(item) says which is which, and place(item) what the server
  // orders them by, in ascending order, undefined if it does not. make(item) returns a row: its element, update(item),
  // and end() once the item is gone. compare orders a page, if it is set. words says what an
  // empty table, and the numbers, are about.
  constructor(part, { ask, key, place, make, words, state, every = usually }) {
    Object.assign(this, { part, ask, key, place, make, words, state, every, compare: null });
    this.table = part.querySelector("table");
    this.nothing = part.querySelector(".nothing");
    this.found = part.querySelector(".found");
    this.again = part.querySelector(".again");
    this.buttons = { previous: part.querySelector(".previous"), next: part.querySelector(".next") };
    this.again.addEventListener("click", () => this.load());
    this.buttons.next.addEventListener("click", () => this.turn([...this.page.before, this.page.after], this.next));
    this.buttons.previous.addEventListener("click", () => this.turn(this.page.before.slice(0, -1), this.page.before.at(-1)));
  }

  // start shows the first page.
  start() {
    return this.turn([], "");
  }

  turn(before, after) {
    this.page = { before, after };
    return this.load();
  }

  // load shows the page anew.
  async load() {
    this.loaded = false;
    const answer = await this.request(soon);
    if (!answer) return;
    this.loaded = true;
    this.next = answer.next ?? "";
    const items = this.compare ? answer.items.toSorted(this.compare) : answer.items;
    const rows = new Map(items.map((item) => [this.key(item), this.rows.get(this.key(item)) ?? this.make(item)]));
    for (const [key, row] of this.rows) if (rows.get(key) !== row || row.ended) row.element.remove();
    for (const item of items) {
      const key = this.key(item);
      if (rows.get(key).ended) rows.set(key, this.make(item));
      rows.get(key).update(item);
    }
    this.rows = rows;
    this.places = new Map(items.map((item) => [this.key(item), this.place(item)]));
    const elements = [...rows.values()].map((row) => row.element);
    const focused = document.activeElement;
    this.table.append(...elements);
    if (this.table.contains(focused)) focused.focus({ preventScroll: true });
    this.say(answer, { waiting: 0, moved: 0, gone: 0 });
  }

  // refresh brings the rows up to date where they stand.
  async refresh() {
    const answer = await this.request();
    if (!answer) return;
    const seen = new Set();
    const changes = { waiting: 0, moved: 0, gone: 0 };
    for (const item of answer.items) {
      const key = this.key(item);
      seen.add(key);
      const row = this.rows.get(key);
      if (row && !row.ended) row.update(item);
      else if (!row && this.rows.size < pageSize) this.add(key, item);
      else changes.waiting++;
    }
    // What follows the last of a full page is on the next one by now, as others came before it.
    // Where the server orders by what changes, it may be on one before, too.
    const isElsewhere = (key) => (this.whole.has(this.order)
      ? answer.next || this.page.before.length > 0
      : answer.next && !(this.places.get(key) <= this.place(answer.items.at(-1))));
    for (const [key, row] of this.rows) {
      if (seen.has(key) && !row.ended) continue;
      if (!row.ended && isElsewhere(key)) {
        changes.moved++;
        continue;
      }
      if (!row.ended) {
        row.ended = true;
        row.end();
      }
      changes.gone++;
    }
    this.say(answer, changes);
  }

  add(key, item) {
    const row = this.make(item);
    row.update(item);
    this.rows.set(key, row);
    this.places.set(key, this.place(item));
    this.table.append(row.element);
  }

  // request asks for the page, unless something else was asked for meanwhile, and sets when
  // it is asked for again.
  async request(again = this.every) {
    if (this.closed) return null;
    this.stop();
    const asking = this.asking = new AbortController();
    try {
      const answer = await this.ask(this.page.after, patient(asking.signal));
      if (asking.signal.aborted) return null;
      this.state("live", "Up to date");
      return answer;
    } catch (error) {
      if (asking.signal.aborted) return null;
      this.state("failed", faultText(error));
      return null;
    } finally {
      if (!asking.signal.aborted) this.timer = setTimeout(() => this.poll(), again);
    }
  }

  // A page that nobody sees asks for nothing.
  poll() {
    if (document.hidden) this.timer = setTimeout(() => this.poll(), this.every);
    else if (this.loaded) this.refresh();
    else this.load();
  }

  // say tells how much there is, and what has changed since the page was arranged.
  say(answer, { waiting, moved, gone }) {
    this.buttons.next.disabled = this.next === "";
    this.buttons.previous.disabled = this.page.before.length === 0;
    for (const button of Object.values(this.buttons)) {
      button.hidden = !this.next && !this.page.before.length && document.activeElement !== button;
    }
    this.nothing.hidden = this.rows.size > 0;
    put(this.nothing, this.words.none());
    put(this.found, this.rows.size === 0 ? "" : this.number(answer, this.rows.size - gone));
    const changes = Object.entries({ new: waiting, "on another page": moved, gone }).filter(([, n]) => n > 0).map(([what, n]) => `${n} ${what}`);
    this.again.hidden = changes.length === 0 && document.activeElement !== this.again;
    put(this.again, changes.length ? `Arrange anew (${changes.join(", ")})` : "Arrange anew");
  }

  number({ total }, here) {
    const all = total ?? here;
    const of = total === undefined ? "" : `of ${count(total)} `;
    const order = this.next && this.order && !this.whole.has(this.order) ? ", in order within this page" : "";
    return `Page ${this.page.before.length + 1}: ${count(here)} ${of}${all === 1 ? this.words.one : this.words.many}${order}`;
  }

  // sortable makes the heads of columns buttons that order the page. by has a comparison for
  // each name; chosen is one of them, with a minus for the other direction, or "". whole has
  // those in which the server orders all there is: then pages begin anew, and stay as they come.
  sortable(by, chosen, note, whole) {
    this.order = chosen;
    this.whole = whole;
    const heads = [...this.table.querySelectorAll("th[data-sort]")];
    const show = () => {
      const name = this.order.replace(/^-/, "");
      const down = this.order.startsWith("-");
      for (const head of heads) {
        if (head.dataset.sort === name) head.setAttribute("aria-sort", down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      }
      this.compare = Object.hasOwn(by, name) && !this.whole.has(this.order) ? (a, b) => (down ? -1 : 1) * by[name](a, b) : null;
    };
    for (const head of heads) {
      const name = head.dataset.sort;
      // Of numbers the largest come first; then the other way round; then no order.
      const orders = head.classList.contains("number") ? [`-${name}`, name, ""] : [name, `-${name}`, ""];
      head.replaceChildren(el("button", { type: "button", onclick: () => {
        const before = this.whole.get(this.order);
        this.order = orders[(orders.indexOf(this.order) + 1) % orders.length];
        show();
        note();
        if (this.whole.get(this.order) === before) this.load();
        else this.start();
      } }, head.textContent));
    }
    show();
  }

  stop() {
    clearTimeout(this.timer);
    this.asking?.abort();
  }

  close() {
    this.closed = true;
    this.stop();
  }
}
