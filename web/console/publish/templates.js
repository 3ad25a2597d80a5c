// Templates: records that are kept in the browser, for each principal and stream. They are values,
// never credentials.

import { server } from "../shared/server.js";

const most = 30; // of a stream
const longest = 64 << 10; // characters of one

const credential = /^(proxy-)?authorization$|cookie|token|secret|password|api-?key|^dpop$/i;

export class Templates {
  // The address keeps apart what several servers behind one origin have. What one principal has
  // kept, another who uses the page after it is not shown.
  constructor(stream) {
    const { tenant = "", principal } = server.principal;
    this.label = `templates:${location.pathname}:${JSON.stringify([tenant, principal, stream])}`;
  }

  // all returns the templates by name. What somebody else has written there is none.
  all() {
    try {
      const found = JSON.parse(localStorage.getItem(this.label) ?? "[]");
      return new Map(found.filter(isTemplate).slice(0, most).map((t) => [t.name, t]));
    } catch {
      return new Map();
    }
  }

  // save keeps a template, and says why it cannot.
  save(name, { key, headers, kind, text }) {
    if (text.length > longest) return `A template has at most ${longest.toLocaleString()} characters.`;
    const all = this.all();
    all.delete(name);
    if (all.size >= most) return `There are ${most} templates for this stream. Delete one first.`;
    const kept = headers.filter(([header]) => !credential.test(header));
    all.set(name, { name, key, headers: kept, kind, text });
    const fault = this.write(all);
    return fault || (kept.length < headers.length ? `Saved ${name}, without the headers that look like credentials.` : `Saved ${name}.`);
  }

  remove(name) {
    const all = this.all();
    all.delete(name);
    this.write(all);
  }

  write(all) {
    try {
      localStorage.setItem(this.label, JSON.stringify([...all.values()]));
      return "";
    } catch {
      return "The browser does not keep it: its storage is full or forbidden.";
    }
  }
}

const isTemplate = (t) => ["name", "key", "kind", "text"].every((part) => typeof t?.[part] === "string") && Array.isArray(t.headers) && t.headers.every(Array.isArray);
