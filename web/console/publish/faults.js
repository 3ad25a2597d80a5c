// What the server says is wrong with a record: in a summary, and at the fields of the form.

import { el } from "../shared/dom.js";
import { clipped } from "./shape.js";

const most = 100; // that are listed

export class Faults {
  constructor(root, composer) {
    Object.assign(this, { root, composer, title: root.querySelector("h3"), list: root.querySelector("ul") });
  }

  clear() {
    this.root.hidden = true;
    this.list.replaceChildren();
    if (this.composer.formed) this.composer.form.faults([]);
  }

  // show lists what is wrong, and moves the focus to the first field of it.
  show(title, errors) {
    const controls = this.composer.formed ? this.composer.form.faults(errors) : [];
    this.title.textContent = title;
    this.list.replaceChildren(...errors.slice(0, most).map(({ pointer, message }, i) => {
      const control = controls[i];
      const text = [el("code", {}, clipped(pointer, 200) || "the whole"), ` ${clipped(message)}`];
      return el("li", {}, control ? el("button", { type: "button", class: "link", onclick: () => control.focus() }, ...text) : text);
    }));
    this.root.hidden = false;
    (controls.find(Boolean) ?? this.root).focus();
  }
}
