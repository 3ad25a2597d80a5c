// The form of a pane: where to start, which key, which filter, and what is wrong with them.

import { el } from "../shared/dom.js";

let forms = 0;

export class Form {
  // on is called with what is to be read when the form is applied.
  constructor(form, on) {
    this.form = form;
    const part = (name) => form.querySelector(`.${name}`);
    this.fields = { from: part("from"), key: part("key"), filter: part("filter") };
    this.fault = part("fault");
    this.fault.id = `fault-${forms++}`;
    const apply = () => on(this.values);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      apply();
    });
    this.fields.from.addEventListener("change", apply);
    // A search field that is cleared by its button says so; Enter submits.
    for (const field of [this.fields.key, this.fields.filter]) {
      field.addEventListener("search", () => field.value === "" && apply());
      field.addEventListener("input", () => this.valid());
    }
  }

  get values() {
    const { from, key, filter } = this.fields;
    return { from: from.value, key: key.value, filter: filter.value.trim() };
  }

  set values({ from, key, filter }) {
    const select = this.fields.from;
    // A start that is not offered comes from the address.
    if (![...select.options].some((option) => option.value === from)) select.append(new Option(from, from));
    select.value = from;
    this.fields.key.value = key;
    this.fields.filter.value = filter;
  }

  // refuse shows what the server refuses, at the field that it names, and returns that field.
  refuse({ code, message, errors = [] }) {
    const named = errors.map((e) => /^\/(from|key|filter)/.exec(e.pointer ?? "")?.[1]).find(Boolean);
    const name = named ?? (code === "bad_filter" ? "filter" : code === "bad_cursor" ? "from" : "");
    const places = errors.filter((e) => !message.includes(e.message)).map((e) => `${e.pointer || ""} ${e.message}`.trim());
    this.fault.textContent = [`${code}: ${message}`, ...places].join(" · ");
    if (name === "filter") this.fault.append(" ", el("a", { href: "docs/PROTOCOL#filters" }, "How filters are written"));
    this.fault.hidden = false;
    const field = this.fields[name];
    field?.setAttribute("aria-invalid", "true");
    field?.setAttribute("aria-describedby", this.fault.id);
    return field;
  }

  valid() {
    this.fault.hidden = true;
    for (const field of Object.values(this.fields)) {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    }
  }
}
