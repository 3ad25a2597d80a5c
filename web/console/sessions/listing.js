// A table of what the server tells in pages, asked for again and again.
//
// Rows do not move while they are read: a refresh changes what stands in them, marks those
// that are gone, and puts new ones below, as far as the page has room. A button then arranges
// the page anew. Only what the user asks for (a search, an order, a page) shows other rows.

import { el } from "../shared/dom.js";
import { put } from "../shared/keyed.js";
import { faultText, patient } from "../shared/faults.js";
import { count } from "../shared/units.js";

// How many rows a page has, and how often it is asked for, in ms.
export const pageSize = 100;
const every = 4000;

// How soon a page is asked for again once it is shown, in ms: two answers make a rate.
const soon = 1500;

export class Listing {
  rows = new Map(); // by key, in the order shown
  page = { before: [], after: "" }; // where the pages before this one begin, and this one
  next = "";
  asking = null; // the AbortController of the request in flight
  timer = 0;
  closed = false;

  // part is the element with the table and what belongs to it. ask(after, signal) returns
  // { items, next, total }, key(item) says which is which, make(item) returns a row: its
  // element, update(item), and end() once the item is gone. compare orders a page, if it is
  // set. words says what an empty table, and the numbers, are about.
  constructor(part, { ask, key, make, words, state }) {
    Object.assign(this, { part, ask, key, make, words, state, compare: null });
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
    const answer = await this.request(soon);
    if (!answer) return;
    const items = this.compare ? answer.items.toSorted(this.compare) : answer.items;
    const rows = new Map(items.map((item) => [this.key(item), this.rows.get(this.key(item)) ?? this.make(item)]));
    for (const [key, row] of this.rows) if (rows.get(key) !== row || row.ended) row.element.remove();
    for (const item of items) {
      const key = this.key(item);
      if (rows.get(key).ended) rows.set(key, this.make(item));
      rows.get(key).update(item);
    }
    this.rows = rows;
    const elements = [...rows.values()].map((row) => row.element);
    const focused = document.activeElement;
    this.table.append(...elements);
    if (this.table.contains(focused)) focused.focus({ preventScroll: true });
    this.say(answer, 0, 0);
  }

  // refresh brings the rows up to date where they stand.
  async refresh() {
    const answer = await this.request();
    if (!answer) return;
    const seen = new Set();
    let waiting = 0;
    for (const item of answer.items) {
      const key = this.key(item);
      seen.add(key);
      const row = this.rows.get(key);
      if (row && !row.ended) row.update(item);
      else if (!row && this.rows.size < pageSize) this.add(key, item);
      else waiting++;
    }
    let gone = 0;
    for (const [key, row] of this.rows) {
      if (!row.ended && !seen.has(key)) {
        row.ended = true;
        row.end();
      }
      if (row.ended) gone++;
    }
    this.say(answer, waiting, gone);
  }

  add(key, item) {
    const row = this.make(item);
    row.update(item);
    this.rows.set(key, row);
    this.table.append(row.element);
  }

  // request asks for the page, unless something else was asked for meanwhile, and sets when
  // it is asked for again.
  async request(again = every) {
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
    if (document.hidden) this.timer = setTimeout(() => this.poll(), every);
    else this.refresh();
  }

  say(answer, waiting, gone) {
    this.next = answer.next ?? "";
    this.buttons.next.disabled = this.next === "";
    this.buttons.previous.disabled = this.page.before.length === 0;
    for (const button of Object.values(this.buttons)) button.hidden = !this.next && !this.page.before.length && document.activeElement !== button;
    this.nothing.hidden = this.rows.size > 0;
    put(this.nothing, this.words.none());
    const number = this.page.before.length + 1;
    const here = this.rows.size - gone;
    const all = answer.total ?? here;
    const of = answer.total === undefined ? "" : `of ${count(all)} `;
    const words = of + (all === 1 ? this.words.one : this.words.many);
    put(this.found, this.rows.size === 0 ? "" : `Page ${number}: ${count(here)} ${words}${this.next && this.order ? ", in order within this page" : ""}`);
    const changes = [waiting ? `${waiting} new` : "", gone ? `${gone} gone` : ""].filter(Boolean).join(", ");
    this.again.hidden = changes === "" && document.activeElement !== this.again;
    put(this.again, changes ? `Arrange anew (${changes})` : "Arrange anew");
  }

  // sortable makes the heads of columns buttons that order the page. by has a comparison for
  // each name; chosen is one of them, with a minus for the other direction, or "".
  sortable(by, chosen, note) {
    this.order = chosen;
    const heads = [...this.table.querySelectorAll("th[data-sort]")];
    const show = () => {
      const name = this.order.replace(/^-/, "");
      const down = this.order.startsWith("-");
      for (const head of heads) {
        if (head.dataset.sort === name) head.setAttribute("aria-sort", down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      }
      this.compare = Object.hasOwn(by, name) ? (a, b) => (down ? -1 : 1) * by[name](a, b) : null;
    };
    for (const head of heads) {
      const name = head.dataset.sort;
      // Of numbers the largest come first; then the other way round; then no order.
      const orders = head.classList.contains("number") ? [`-${name}`, name, ""] : [name, `-${name}`, ""];
      head.replaceChildren(el("button", { type: "button", onclick: () => {
        this.order = orders[(orders.indexOf(this.order) + 1) % orders.length];
        show();
        note();
        this.load();
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
