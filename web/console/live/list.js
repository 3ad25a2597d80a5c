// The list of a pane: a listbox of which only the rows in sight are elements, newest first.
//
// It follows the newest row while it is scrolled to its top and no row is chosen. Otherwise it
// stands still, so that what is looked at stays where it is, while rows wait to be shown.

import { el } from "../shared/dom.js";
import { cells } from "./row.js";

// How many rows beyond those in sight are elements, on each side, and how near to its end the list
// asks for older rows.
const beyond = 4;
const near = 12;

// How many pixels a character of a row takes at least, so that no more text is laid out than can be
// seen.
const narrowest = 6;

let lists = 0;

export class List {
  chosen = null; // the id of a row
  held = false; // by the pause
  top = 0; // how far it is scrolled, in pixels
  drawn = new Map(); // elements by id of their row
  changed = true;

  // on has: choose(row or null), end(): the oldest row is in sight.
  constructor(element, rows, on) {
    Object.assign(this, { element, rows, on });
    this.prefix = `list-${lists++}`;
    this.space = element.firstElementChild;
    element.addEventListener("scroll", () => this.scrolled());
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.choose(Number(row.dataset.id));
    });
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(element);
    this.measure();
  }

  close() {
    this.sizes.disconnect();
  }

  get following() {
    return !this.held && this.chosen === null && this.top < 4;
  }

  // inSight is how many rows have room.
  get inSight() {
    return Math.ceil(this.view / this.height);
  }

  // measure finds out how high a row is, which depends on the width and the size of the text.
  measure() {
    const probe = el("div", { class: "row" });
    this.space.append(probe);
    this.height = probe.getBoundingClientRect().height || 1;
    probe.remove();
    this.view = this.element.clientHeight;
    const most = Math.ceil(this.element.clientWidth / narrowest);
    if (most !== this.most) {
      this.most = most;
      for (const element of this.drawn.values()) element.remove();
      this.drawn = new Map();
    }
    this.changed = true;
    if (this.chosen !== null && this.view) this.reveal(this.index(this.chosen));
    this.draw();
  }

  scrolled() {
    this.top = this.element.scrollTop;
    this.changed = true;
    this.draw();
    const left = this.element.scrollHeight - this.top - this.view;
    if (this.top > 0 && left < near * this.height) this.on.end();
  }

  scrollTo(top) {
    this.element.scrollTop = top;
    this.top = this.element.scrollTop; // within the bounds
    this.changed = true;
  }

  // draw makes elements of the rows in sight, and of the chosen one, wherever it is, since the
  // listbox refers to it.
  draw() {
    if (!this.changed) return;
    this.changed = false;
    const { shown } = this.rows;
    const n = shown.length;
    if (this.high !== n * this.height) this.space.style.height = `${(this.high = n * this.height)}px`;
    const first = Math.max(0, Math.floor(this.top / this.height) - beyond);
    const last = Math.min(n, Math.ceil((this.top + this.view) / this.height) + beyond);
    const wanted = [];
    for (let i = first; i < last; i++) wanted.push(i);
    const at = this.index(this.chosen);
    if (at >= 0 && at < first) wanted.unshift(at);
    else if (at >= last) wanted.push(at);
    const drawn = new Map();
    for (const i of wanted) drawn.set(shown.at(n - 1 - i).id, this.drawn.get(shown.at(n - 1 - i).id));
    const spare = [...this.drawn].filter(([id]) => !drawn.has(id)).map(([, element]) => element);
    let next = this.space.firstChild;
    for (const i of wanted) {
      const row = shown.at(n - 1 - i);
      let element = drawn.get(row.id);
      if (!element) this.fill((element = spare.pop() ?? blank()), row);
      drawn.set(row.id, element);
      this.place(element, i, n, i === at);
      if (element === next) next = next.nextSibling;
      else this.space.insertBefore(element, next);
    }
    for (const element of spare) element.remove();
    this.drawn = drawn;
  }

  fill(element, row) {
    element.id = `${this.prefix}-${row.id}`;
    element.dataset.id = row.id;
    element.className = row.kind === "record" ? "row" : `row ${row.kind === "streams" ? "change" : "gap"}`;
    cells(row, this.most).forEach((text, i) => {
      const node = element.children[i].firstChild;
      if (node.data !== text) node.data = text;
    });
  }

  place(element, i, n, chosen) {
    const known = element.known;
    if (known.i !== i) {
      element.style.transform = `translateY(${i * this.height}px)`;
      element.setAttribute("aria-posinset", i + 1);
    } else if (known.height !== this.height) element.style.transform = `translateY(${i * this.height}px)`;
    if (known.n !== n) element.setAttribute("aria-setsize", n);
    if (known.chosen !== chosen) element.setAttribute("aria-selected", chosen);
    element.known = { i, n, chosen, height: this.height };
  }

  // index is where a row stands in the list, -1 for none.
  index(id) {
    return id === null ? -1 : this.rows.shown.length - 1 - this.rows.place(id);
  }

  // at returns the row at an index.
  at(i) {
    return this.rows.shown.at(this.rows.shown.length - 1 - i);
  }

  // choose chooses a row by its id, or none, and then follows the newest again.
  choose(id) {
    this.chosen = id;
    this.changed = true;
    if (id === null) {
      this.scrollTo(0);
      this.element.removeAttribute("aria-activedescendant");
    } else {
      this.reveal(this.index(id));
    }
    this.draw();
    if (id !== null) this.element.setAttribute("aria-activedescendant", `${this.prefix}-${id}`);
    this.on.choose(id === null ? null : this.rows.get(id));
  }

  // reveal scrolls no further than to have a row in sight.
  reveal(i) {
    const top = i * this.height;
    if (top < this.top) this.scrollTo(top);
    else if (top + this.height > this.top + this.view) this.scrollTo(top + this.height - this.view);
  }

  // clear scrolls the page so far that the chosen row is not below a sheet at its lower edge.
  clear(sheet) {
    if (getComputedStyle(sheet).position !== "sticky") return;
    const edge = document.documentElement.clientHeight - sheet.offsetHeight - parseFloat(getComputedStyle(sheet).bottom);
    const below = this.drawn.get(this.chosen).getBoundingClientRect().bottom - edge;
    if (below > 0) scrollBy(0, below);
  }

  // grew keeps what is in sight in its place after rows have come above it.
  grew(n) {
    this.changed = true;
    if (!this.following) {
      this.draw(); // the space is higher now
      this.scrollTo(this.top + n * this.height);
    }
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const n = this.rows.shown.length;
    const i = this.index(this.chosen);
    const page = Math.max(1, Math.floor(this.view / this.height) - 1);
    const to = {
      ArrowDown: i + 1,
      ArrowUp: i - 1,
      PageDown: i + page,
      PageUp: i - page,
      Home: 0,
      End: n - 1,
    }[event.key];
    if (event.key === "Escape") this.choose(null);
    else if (to === undefined || !n) return;
    else this.move(i, to);
    event.preventDefault();
  }

  move(i, to) {
    // Above the newest row that is shown are those that wait.
    if (to < 0 && i >= 0 && this.rows.waiting) {
      const before = this.rows.shown.length;
      this.rows.take(-to);
      const came = this.rows.shown.length - before;
      this.grew(came);
      to += came;
    }
    const row = this.at(Math.min(Math.max(0, to), this.rows.shown.length - 1));
    this.choose(row.id);
    if (to >= this.rows.shown.length - near) this.on.end();
  }
}

function blank() {
  const element = el("div", { role: "option" }, ...Array.from({ length: 4 }, () => el("span", {}, document.createTextNode(""))));
  element.known = {};
  return element;
}
