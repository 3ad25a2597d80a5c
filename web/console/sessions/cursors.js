// Named cursors of a stream: seen, moved and removed.

import { Listing, pageSize } from "./listing.js";
import { asked, heldSays, ownerOf, placesOf, placesText } from "./move.js";
import { $, el } from "../shared/dom.js";
import { confirmed } from "../shared/confirm.js";
import { put } from "../shared/keyed.js";
import { faultText, unanswered } from "../shared/faults.js";
import { explained, server } from "../shared/server.js";
import { count, moment, none, plain, span } from "../shared/units.js";

// How often they are asked for, in ms: the server looks through its store for them.
const every = 10_000;

// How many pages of the server are one of the table, at most, and how many cursors are enough.
const pagesAtOnce = 20;
const enough = pageSize / 2;

// How many partitions of a position a row shows.
const placesShown = 6;

export class Cursors {
  constructor(parameters, { say, state, note }) {
    Object.assign(this, { say, state, note });
    this.ended = new AbortController();
    this.select = $("cursors-stream");
    this.listing = new Listing($("cursors-part"), {
      state,
      key: (cursor) => JSON.stringify([cursor.stream, cursor.principal, cursor.name]),
      place: () => undefined, // they have no order
      every,
      make: (cursor) => new CursorRow(cursor, (what, c) => this[what](c)),
      ask: (after, signal) => this.ask(after, signal),
      words: { one: "cursor", many: "cursors", none: () => (this.listing.next ? "No named cursors so far. The next page looks on."
        : "No named cursors. They appear once clients store positions of this stream.") },
    });
    this.select.addEventListener("change", () => {
      note({ show: "cursors", stream: this.select.value });
      this.listing.start();
    });
    this.load(parameters.get("stream"));
  }

  async load(wanted) {
    try {
      const { streams } = await server.get("v1/admin/streams", this.ended.signal);
      const names = streams.map((s) => s.stream).sort();
      this.select.replaceChildren(...names.map((name) => new Option(name, name)));
      if (names.includes(wanted)) this.select.value = wanted;
      this.listing.start();
    } catch (error) {
      if (!this.ended.signal.aborted) this.state("failed", faultText(error));
    }
  }

  // ask follows pages: the server looks at a part of its store for each, which may have none.
  async ask(after, signal) {
    const items = [];
    let next = after;
    for (let n = 0; n < pagesAtOnce; n++) {
      const query = new URLSearchParams({ stream: this.select.value, limit: pageSize });
      if (next) query.set("after", next);
      const answer = await server.get(`v1/admin/cursors?${query}`, signal);
      items.push(...answer.cursors);
      next = answer.next ?? "";
      if (!next || items.length >= enough) break;
    }
    return { items, next };
  }

  async move(cursor) {
    const to = await asked(cursor);
    if (!to) return;
    this.tell(
      (answer) => `Moved ${plain(cursor.name)} of ${ownerOf(cursor)}${answer.position ? ` to ${placesText(answer.position)}` : ""}.`,
      () => server.request("PUT", pathOf(cursor), { body: { principal: cursor.principal, from: to } }),
    );
  }

  async remove(cursor) {
    const sure = await confirmed({
      title: ["Remove the cursor ", el("bdi", {}, plain(cursor.name)), "?"], act: "Remove", grave: true,
      says: [el("p", {}, "It belongs to ", el("bdi", {}, ownerOf(cursor)), ` and stands at ${placesText(cursor.position)} of ${plain(cursor.stream)}.`),
        "The position is forgotten. The next subscription with this name begins where a new one does, and records in between are not delivered.",
        cursor.held ? heldSays : "",
        "This is recorded in the audit."].filter(Boolean),
    });
    if (!sure) return;
    const query = new URLSearchParams({ principal: cursor.principal });
    this.tell(() => `Removed ${plain(cursor.name)} of ${ownerOf(cursor)}.`, () => server.request("DELETE", `${pathOf(cursor)}?${query}`));
  }

  async tell(done, request) {
    this.say("", "Asking the server");
    try {
      this.say("good", done(await request()));
    } catch (error) {
      this.say("bad", unanswered(error) ? "No answer. Whether it was done is not known." : explained(error));
    }
    this.listing.refresh();
  }

  close() {
    this.ended.abort();
    this.listing.close();
  }
}

const pathOf = (cursor) => `v1/admin/cursors/${encodeURIComponent(cursor.stream)}/${encodeURIComponent(cursor.name)}`;

class CursorRow {
  ended = false;

  constructor(cursor, act) {
    this.principal = el("bdi");
    this.cells = {
      principal: el("td", {}, this.principal), stored: el("td", { class: "wide" }), position: el("td", { class: "places" }),
      lag: el("td", { class: "number" }), held: el("td", { class: "wide" }),
    };
    this.buttons = [
      el("button", { type: "button", class: "quiet", onclick: () => act("move", this.cursor) }, "Move…"),
      el("button", { type: "button", class: "quiet", onclick: () => act("remove", this.cursor) }, "Remove…"),
    ];
    for (const button of this.buttons) button.setAttribute("aria-label", `${button.textContent.slice(0, -1)} ${plain(cursor.name)} of ${ownerOf(cursor)}`);
    this.element = el("tbody", { "data-cursor": cursor.name }, el("tr", {},
      el("th", { scope: "row" }, el("bdi", {}, plain(cursor.name))), Object.values(this.cells), el("td", { class: "acts" }, this.buttons)));
  }

  update(cursor) {
    this.cursor = cursor;
    const { cells } = this;
    put(this.principal, ownerOf(cursor));
    this.cells.principal.title = plain([cursor.issuer, cursor.tenant && `tenant ${cursor.tenant}`].filter(Boolean).join(", "));
    put(cells.stored, cursor.stored_at ? `${span(Date.now() - cursor.stored_at)} ago` : none);
    cells.stored.title = moment(cursor.stored_at);
    const places = placesOf(cursor.position);
    put(cells.position, placesText(cursor.position, placesShown));
    cells.position.title = places.length > placesShown ? `${places.length} partitions` : "";
    put(cells.lag, count(cursor.lag_records));
    put(cells.held, cursor.held ? "by a subscription" : "no");
  }

  end() {
    this.element.dataset.ended = "";
    put(this.cells.held, "removed");
    for (const button of this.buttons) button.disabled = true;
  }
}
