// The form of a shape: it shows a value, and changes it in place. What it does not show, it
// does not touch.

import { el } from "../shared/dom.js";
import { copy, equal } from "../shared/value.js";
import { arrayPart, choicePart, objectPart } from "./groups.js";
import { boolControl, enumControl, jsonControl, numberControl, textControl } from "./controls.js";
import { json, name, said } from "./shape.js";
import { escaped } from "./slot.js";

// Bounds of a page: how many fields a form has, and how deep they are. Beyond them a part is
// written as JSON.
const mostFields = 400;
const deepest = 10;

const controls = { text: textControl, number: numberControl, boolean: boolControl, enum: enumControl, json: jsonControl };
const groups = { object: objectPart, array: arrayPart, choice: choicePart };

export class Form {
  constructor({ root, onchange }) {
    Object.assign(this, { root, onchange });
    this.slot = { pointer: "", get: () => this.value, set: (value) => { this.value = value; } };
    this.clear();
  }

  clear() {
    this.shape = undefined;
    this.value = undefined;
    this.reset();
    this.root.replaceChildren();
  }

  reset() {
    this.count = 0;
    this.ids = 0;
    this.places = new Map(); // by pointer: {control, fault}
    this.varying = []; // what depends on its value
    this.invalid = new Set(); // controls whose text is no value
  }

  // show makes the form of a shape, for a value of its own.
  show(shape, value) {
    if (shape !== this.shape) {
      this.rooms = new Map(); // by pointer: how much is shown of a part
      this.picks = new Map(); // by pointer: which option was chosen
      this.most = mostFields;
    }
    this.shape = shape;
    this.value = copy(value);
    this.redraw();
  }

  // redraw makes the elements anew, and moves the focus to a place.
  redraw(pointer) {
    this.reset();
    this.root.replaceChildren(this.part(this.shape, this.slot, { name: "", required: true, depth: 0 }));
    const focused = this.picked ? this.root.querySelector(`#${this.picked}`) : undefined;
    this.picked = undefined;
    if (focused) focused.focus();
    else if (pointer !== undefined) this.places.get(this.nearest(pointer))?.control.focus();
  }

  // restructure changes what parts there are.
  restructure(slot, value, pointer = slot.pointer) {
    slot.set(value);
    this.onchange(this.value);
    this.redraw(pointer);
  }

  // full says that there is no room for another field.
  get full() {
    return this.count >= this.most;
  }

  // part returns the elements for a part of the value.
  part(given, slot, at) {
    this.count++;
    const value = slot.get();
    if (given.adapt) given = this.adapted(given, slot, value);
    let shape = given.kind === "null" ? { ...given, kind: "enum", values: [null] } : given;
    if (at.depth > deepest) shape = json("This part is too large for a form.", given);
    else if (value !== undefined && !holds(shape, value)) shape = json("This is not what the schema says, and is shown as JSON.", given);
    return groups[shape.kind]?.(this, shape, slot, at) ?? this.row(shape, slot, at);
  }

  // adapted is what a shape is for its value, which can change with that.
  adapted(shape, slot, value) {
    const now = shape.adapt(value);
    this.varying.push({ shape, slot, variant: now.variant });
    return now;
  }

  // vary makes the form anew if a shape is another by now. A text that is being written goes on.
  vary(pointer) {
    const is = ({ shape, slot, variant }) => shape.adapt(slot.get()).variant === variant;
    if (this.varying.every(is)) return;
    const { selectionStart: start, selectionEnd: end, tagName } = document.activeElement;
    this.redraw(pointer);
    const control = this.places.get(pointer)?.control;
    if (control?.tagName === tagName && typeof start === "number") control.setSelectionRange(start, end);
  }

  // row is a field with one control.
  row(shape, slot, at) {
    const id = `field-${this.ids++}`;
    const about = el("p", { id: `${id}-about`, class: "about" }, said(shape));
    const fault = el("p", { id: `${id}-fault`, class: "fault" });
    const more = el("span", { class: "with" });
    const control = controls[shape.kind]({ form: this, shape, slot, at, id, more });
    control.id = id;
    control.setAttribute("aria-describedby", `${about.textContent ? `${id}-about ` : ""}${id}-fault`);
    const required = at.required && !at.extra;
    if (required) control.setAttribute("aria-required", "true");
    const label = at.bare ? undefined : el("label", { for: id }, name(at), required && el("span", { class: "required" }, "required"));
    if (at.bare) control.setAttribute("aria-label", at.name || "value");
    more.prepend(control);
    const row = el("div", { class: "field" }, label, more, about.textContent ? about : undefined, fault);
    this.place(slot.pointer, control, fault);
    return row;
  }

  place(pointer, control, fault) {
    this.places.set(pointer, { control, fault });
  }

  // changed is called after the value of a slot was changed by a control.
  changed(slot) {
    this.mark(slot.pointer, "");
    this.onchange(this.value);
    this.vary(slot.pointer);
  }

  // set changes a slot because of a control.
  set(slot, value, control) {
    this.invalid.delete(control);
    slot.set(value);
    this.changed(slot);
  }

  // refuse marks a control whose text is no value of its kind. The value stays as it was.
  refuse(slot, control, why) {
    this.invalid.add(control);
    this.mark(slot.pointer, why);
  }

  mark(pointer, message) {
    const place = this.places.get(pointer);
    if (!place) return;
    place.fault.textContent = message;
    if (message) place.control.setAttribute("aria-invalid", "true");
    else place.control.removeAttribute("aria-invalid");
  }

  // faults shows what the server says is wrong, each at the innermost field that is there,
  // and returns the controls, in the order of the errors.
  faults(errors) {
    for (const pointer of this.places.keys()) this.mark(pointer, "");
    return errors.map(({ pointer = "", message }) => {
      const at = this.missing(pointer, message) ?? this.nearest(pointer);
      const place = this.places.get(at);
      if (!place) return undefined;
      const before = place.fault.textContent;
      this.mark(at, before ? `${before}; ${message}` : message);
      return place.control;
    });
  }

  // missing is the place of a member that a message names because it is not there.
  missing(pointer, message) {
    for (const quoted of String(message).match(/"(?:[^"\\]|\\.)*"/g) ?? []) {
      const at = `${pointer}/${escaped(unquoted(quoted))}`;
      if (this.places.has(at)) return at;
    }
    return undefined;
  }

  nearest(pointer) {
    let at = pointer;
    while (at && !this.places.has(at)) at = at.slice(0, at.lastIndexOf("/"));
    return at;
  }
}

// holds says whether a part of this kind can show a value.
function holds(shape, value) {
  switch (shape.kind) {
    case "text": return typeof value === "string";
    case "number": return value?.text !== undefined || (shape.words ?? []).includes(value) || (shape.long === true && /^-?\d{1,20}$/.test(value));
    case "boolean": return typeof value === "boolean";
    case "enum": return shape.values.some((allowed) => equal(allowed, value));
    case "object": return value instanceof Map;
    case "array": return Array.isArray(value);
    default: return true;
  }
}

function unquoted(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1);
  }
}
