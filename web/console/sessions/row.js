// A session in the table: its row and, once opened, its details.

import { ageOf, lagOf, stateOf, streamsOf } from "./figures.js";
import { el } from "../shared/dom.js";
import { keyed, put } from "../shared/keyed.js";
import { amount, bytes, bytesPerSecond, count, moment, none, perSecond, plain, seconds, span } from "../shared/units.js";

const columns = 9;

// How much of an address, and how many streams, a row shows, and how many subscriptions the
// details.
const addressLength = 45;
const streamsShown = 2;
const subscriptionsShown = 100;

// who names the principal of a session.
export const who = (session) => plain(session.principal || (session.unauthenticated ? "not authenticated" : "anonymous"));

let ids = 0;

export class Row {
  ended = false;
  details = null;

  // act(what, session) is called by the buttons of the details.
  constructor(session, act) {
    this.act = act;
    this.id = `session-${++ids}`;
    this.name = el("bdi");
    this.tenant = el("small");
    this.button = el("button", { type: "button", class: "open", "aria-expanded": "false", onclick: () => this.toggle() }, this.name);
    this.cells = {
      protocol: el("td", { class: "wide short" }), address: el("td", { class: "wider short" }), since: el("td", { class: "wide short" }),
      rate: el("td", { class: "number" }), lag: el("td", { class: "number" }), age: el("td", { class: "number wide" }), state: el("td"), streams: el("td", { class: "wide" }),
    };
    this.state = el("span", { class: "mark" });
    this.cells.state.append(this.state);
    const main = el("tr", { onclick: (event) => event.target.closest("button") || this.clicked() },
      el("th", { scope: "row" }, this.button, this.tenant), Object.values(this.cells));
    this.element = el("tbody", { "data-session": session.session }, main);
  }

  // A click beside the button opens the details, too, unless it was to select text.
  clicked() {
    if (getSelection().isCollapsed) this.toggle();
  }

  update(session) {
    this.session = session;
    const { cells } = this;
    put(this.name, who(session));
    put(this.tenant, session.tenant ? ` ${plain(session.tenant)}` : "");
    put(cells.protocol, plain(session.protocol ?? none));
    put(cells.address, plain(session.address ?? none, addressLength));
    put(cells.since, span(Date.now() - session.started));
    cells.since.title = moment(session.started);
    put(cells.rate, amount(session.rate));
    put(cells.lag, count(lagOf(session)));
    put(cells.age, age(ageOf(session)));
    const state = stateOf(session);
    put(this.state, plain(state));
    this.state.dataset.mark = state;
    const streams = streamsOf(session);
    const more = streams.length - streamsShown;
    put(cells.streams, streams.length ? streams.slice(0, streamsShown).map((s) => plain(s)).join(", ") + (more > 0 ? ` and ${more} more` : "") : none);
    if (this.details) this.tell();
  }

  end() {
    this.element.dataset.ended = "";
    put(this.state, "ended");
    this.state.dataset.mark = "ended";
    if (this.details?.contains(document.activeElement)) this.button.focus();
    for (const button of this.details?.querySelectorAll("button") ?? []) button.disabled = true;
  }

  toggle() {
    const open = !this.details;
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) {
      this.details.remove();
      this.details = null;
      this.button.removeAttribute("aria-controls");
      return;
    }
    this.build();
    this.tell();
    if (this.ended) this.end();
    this.button.setAttribute("aria-controls", this.id);
    this.element.append(this.details);
  }

  build() {
    const facts = this.facts = {};
    const fact = (name, title) => el("div", {}, el("dt", {}, title), facts[name] = el("dd"));
    const subscriptions = el("tbody");
    this.subscriptions = keyed(subscriptions, (s, place) => place, subscription);
    this.many = el("p", { class: "note" });
    const does = (what, label, title) => el("button", { type: "button", class: "quiet", title, onclick: () => this.act(what, this.session) }, label);
    this.details = el("tr", { id: this.id, class: "details" }, el("td", { colspan: columns },
      el("dl", { class: "facts" }, fact("session", "Session"), fact("principal", "Principal"), fact("tenant", "Tenant"), fact("protocol", "Protocol"), fact("address", "Address"),
        fact("started", "Since"), fact("expires", "Token valid until"), fact("sent", "Sent"), fact("rate", "Now"), fact("buffered", "Waiting to be sent")),
      el("div", { class: "inner", role: "region", "aria-label": "Subscriptions", tabindex: "0" },
        el("table", {}, el("caption", {}, "Subscriptions"),
          el("thead", {}, el("tr", {}, ["Stream", "State", "Lag", "Cursor", "Filter", "Key"].map((title) => el("th", { scope: "col" }, title)))),
          subscriptions)),
      this.many,
      el("p", { class: "choices" }, does("drain", "Drain…", "Tell the client to come back"), does("kick", "Kick…", "End the session for good"))));
  }

  tell() {
    const { facts, session } = this;
    put(facts.session, plain(session.session));
    put(facts.tenant, session.tenant ? plain(session.tenant) : "none");
    put(facts.principal, session.principal_key ? plain(session.principal_key) : who(session));
    put(facts.protocol, protocolOf(session));
    put(facts.address, plain(session.address ?? none));
    put(facts.started, moment(session.started));
    put(facts.expires, session.expires_at ? moment(session.expires_at) : "no limit");
    this.many.hidden = !session.busy && (session.subscriptions ?? []).length <= subscriptionsShown;
    if (session.busy) {
      put(this.many, "A write to the connection of this session blocks. What is shown of it is from before.");
      return;
    }
    const gaps = session.sent_gaps ? `, ${count(session.sent_gaps)} gaps` : "";
    put(facts.sent, `${count(session.sent_records)} records${gaps}, ${bytes(session.sent_bytes)}`);
    put(facts.rate, session.rate === undefined ? "measuring" : `${perSecond(session.rate)}, ${bytesPerSecond(session.byteRate)}`);
    put(facts.buffered, bytes(session.buffered_bytes));
    const all = session.subscriptions ?? [];
    this.subscriptions(all.slice(0, subscriptionsShown));
    put(this.many, `The first ${subscriptionsShown} of ${count(all.length)} subscriptions.`);
  }
}

// protocolOf names the protocol of a session, with its dialect if that is another.
function protocolOf({ protocol, dialect }) {
  return plain(dialect && dialect !== protocol ? `${protocol} (${dialect})` : protocol ?? none);
}

// age is a time in ms, which may be long.
const age = (ms) => (ms >= 60_000 ? span(ms) : seconds(ms / 1000));

function subscription() {
  const cells = ["stream", "state", "lag", "cursor", "filter", "key"].map((name) => el("td", { class: `of-${name}` }, el("bdi")));
  return {
    element: el("tr", {}, cells),
    update(s) {
      const time = s.lag_ms > 0 ? ` (${age(s.lag_ms)})` : "";
      const stream = [s.stream, s.pattern && `pattern ${s.pattern}`].filter(Boolean).join(", ");
      const says = [stream, s.state, count(s.lag_records) + time, s.cursor_name, s.filter, keysOf(s)];
      says.forEach((text, i) => put(cells[i].firstChild, plain(text || none)));
    },
  };
}

function keysOf(s) {
  const keys = [s.key ?? []].flat().map((key) => (typeof key === "string" ? key : JSON.stringify(key)));
  if (s.key_prefix) keys.push(`${s.key_prefix}…`);
  if (s.more_keys) keys.push(`and ${count(s.more_keys)} more`);
  return keys.join(", ");
}
