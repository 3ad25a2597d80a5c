// <sluice-stream>: a stream in a page without any build. Each event becomes a copy of the
// element's template, in which elements with data-bind show a field of the event.

import { connect } from "./sluice.js";

const clients = new Map(); // by source, with the number of elements that use each

const read = (event, path) => path.split(".").reduce((value, name) => value?.[name], event);
const text = (value) => (value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

export class SluiceStream extends HTMLElement {
  static observedAttributes = ["src", "stream", "key", "filter", "from"];

  /** The token of the element, or a function that returns one; to be set before the element is in the page. */
  token;

  connectedCallback() {
    this.template ??= this.querySelector("template");
    const src = this.getAttribute("src") ?? "";
    this.source = this.token ? { client: connect(src || undefined, { token: this.token }), users: 0 } : clients.get(src);
    if (!this.source) clients.set(src, (this.source = { client: connect(src || undefined), users: 0 }));
    this.source.users++;
    const options = {};
    for (const name of ["key", "filter", "from"]) if (this.hasAttribute(name)) options[name] = this.getAttribute(name);
    this.rows = [];
    this.subscription = this.source.client.subscribe(this.getAttribute("stream"), options);
    for (const type of ["event", "gap", "caughtup", "state", "error"]) {
      this.subscription.on(type, (detail) => {
        if (type === "event") this.show(detail);
        if (type === "state") this.setAttribute("state", detail.state);
        this.dispatchEvent(new CustomEvent("sluice-" + type, { detail }));
      });
    }
  }

  disconnectedCallback() {
    this.subscription.close();
    for (const row of this.rows) for (const node of row) node.remove();
    if (--this.source.users > 0) return;
    this.source.client.close();
    for (const [src, source] of clients) if (source === this.source) clients.delete(src);
  }

  attributeChangedCallback() {
    if (!this.subscription || !this.isConnected) return;
    this.disconnectedCallback();
    this.connectedCallback();
  }

  // show shows an event, the newest first, and no more of them than the attribute limit says.
  show(event) {
    const copy = this.template ? this.template.content.cloneNode(true) : document.createElement("pre");
    if (!this.template) copy.textContent = JSON.stringify(event.data);
    for (const element of copy.querySelectorAll("[data-bind]")) element.textContent = text(read(event, element.dataset.bind));
    const row = this.template ? [...copy.childNodes] : [copy];
    this.insertBefore(copy, this.rows[0]?.[0] ?? this.template?.nextSibling ?? null);
    this.rows.unshift(row);
    for (const old of this.rows.splice(Number(this.getAttribute("limit") ?? 50))) for (const node of old) node.remove();
  }
}

customElements.define("sluice-stream", SluiceStream);
