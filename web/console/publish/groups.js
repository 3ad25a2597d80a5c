// The parts of a form that have parts: objects, arrays, and choices. A change of what parts
// there are draws the form anew.

import { el } from "../shared/dom.js";
import { chosen, clipped, fits, json, name, said, sample } from "./shape.js";
import { item, member } from "./slot.js";

// How many members and items are shown, and with each step more.
const step = 60;
const mostOptions = 500;

// group is a fieldset, with the place for what is wrong with the whole of it.
function group(form, shape, slot, at, content) {
  const id = `field-${form.ids++}`;
  const fault = el("p", { id: `${id}-fault`, class: "fault" });
  const about = el("p", { id: `${id}-about`, class: "about" }, said({ ...shape, value: undefined }));
  const box = el("fieldset", { class: at.depth ? "group" : "group whole", tabindex: "-1", "aria-describedby": `${about.textContent ? `${id}-about ` : ""}${id}-fault` },
    el("legend", at.name === "" ? { class: "unseen" } : {}, name(at), at.required && !at.extra && !at.bare && at.name !== "" && el("span", { class: "required" }, "required")),
    about.textContent ? about : undefined, fault);
  form.place(slot.pointer, box, fault);
  box.append(...content.filter(Boolean));
  return box;
}

const button = (label, onclick, says) => el("button", { type: "button", class: "quiet", onclick, "aria-label": says && clipped(says, 160) }, label);

// moreButton shows further parts.
function moreButton(form, slot, left) {
  if (left <= 0) return undefined;
  return button(`Show more (${left.toLocaleString()} left)`, () => {
    form.rooms.set(slot.pointer, room(form, slot) + step);
    form.most += step;
    form.redraw(slot.pointer);
  });
}

const room = (form, slot) => form.rooms.get(slot.pointer) ?? step;

export function objectPart(form, shape, slot, at) {
  const value = slot.get();
  const put = (value) => form.restructure(slot, value);
  if (value === undefined && !at.required) {
    return group(form, shape, slot, at, [button("Add", () => put(sample(shape)), `Add ${at.name}`)]);
  }
  const parts = [];
  const keyOf = (f) => (f.also && value?.has(f.also) && !value.has(f.name) ? f.also : f.name);
  const isThere = (f) => value?.has(keyOf(f)) ?? false;
  const place = (of, key, more) => form.part(of, member(slot, key), { name: key, depth: at.depth + 1, ...more });

  // What is there or required comes before what else could be, if there is not room for all.
  const first = shape.fields.filter((f) => f.required || isThere(f));
  const shown = new Set(first.slice(0, room(form, slot)));
  for (const f of shape.fields) {
    if (shown.size >= room(form, slot)) break;
    shown.add(f);
  }
  let left = shape.fields.length - shown.size;
  for (const f of shape.fields) {
    if (!shown.has(f)) continue;
    if (form.full) left++;
    else parts.push(place(f.shape(), keyOf(f), { required: f.required }));
  }
  parts.push(moreButton(form, slot, left));
  for (const oneof of shape.oneofs.slice(0, room(form, slot))) parts.push(oneofPart(form, oneof, slot, at, { isThere, keyOf, place }));

  const known = new Set([...shape.fields, ...shape.oneofs.flatMap((o) => o.fields)].flatMap((f) => [f.name, f.also]));
  const others = [...(value?.keys() ?? [])].filter((key) => !known.has(key));
  for (const key of others.slice(0, room(form, slot))) {
    if (form.full) break;
    const of = shape.more?.(key) ?? json("The schema has no such member.");
    parts.push(el("div", { class: "removable" }, place(of, key, { kept: true, required: true, extra: true }), button("Remove", () => form.restructure(member(slot, key), undefined, slot.pointer), `Remove ${key}`)));
  }
  if (shape.more && (shape.grows || shape.fields.length === 0)) parts.push(memberAdder(form, shape, slot, at));
  if (!at.required && !at.kept) parts.push(button("Leave out", () => put(undefined), `Leave out ${at.name}`));
  return group(form, shape, slot, at, parts);
}

// memberAdder adds a member of a name that is typed.
function memberAdder(form, shape, slot, at) {
  const input = el("input", { "aria-label": `Name of another member of ${clipped(at.name || "the value", 100)}`, placeholder: "name", spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  const add = () => {
    const key = input.value;
    if (key === "" || slot.get()?.has?.(key)) input.focus();
    else form.restructure(member(slot, key), sample(shape.more(key)));
  };
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    add();
  });
  return el("div", { class: "with adder" }, input, button("Add", add, `Add a member to ${at.name || "the value"}`));
}

// oneofPart is a field of Protobuf of which one of several is set.
function oneofPart(form, oneof, slot, at, { isThere, keyOf, place }) {
  const set = oneof.fields.find(isThere);
  const id = `field-${form.ids++}`;
  form.count++;
  const control = el("select", { id }, new Option("none", ""), ...oneof.fields.slice(0, mostOptions).map((f) => new Option(clipped(f.name, 60), f.name)));
  control.value = set?.name ?? "";
  control.addEventListener("change", () => {
    const to = oneof.fields.find((f) => f.name === control.value);
    for (const f of oneof.fields) member(slot, keyOf(f)).set(undefined);
    form.picked = id;
    form.restructure(to ? member(slot, to.name) : slot, to ? sample(to.shape()) : slot.get() ?? new Map());
  });
  return el("div", { class: "choice" },
    el("div", { class: "field" }, el("label", { for: id }, `${clipped(oneof.name, 100)} (one of)`), control),
    set && !form.full && place(set.shape(), keyOf(set), { required: true, kept: true, extra: true }));
}

export function arrayPart(form, shape, slot, at) {
  const value = slot.get();
  const items = value ?? [];
  const parts = [];
  let shown = 0;
  for (; shown < Math.min(items.length, room(form, slot)) && !form.full; shown++) {
    const i = shown;
    const part = form.part(shape.item(i), item(slot, i), { name: `${clipped(at.name || "item", 60)} ${i + 1}`, depth: at.depth + 1, required: true, kept: true, bare: true });
    const remove = () => form.restructure(slot, items.toSpliced(i, 1));
    parts.push(el("div", { class: "removable" }, part, button("Remove", remove, `Remove ${at.name || "item"} ${i + 1}`)));
  }
  parts.push(moreButton(form, slot, items.length - shown));
  const add = () => {
    slot.set([...items, sample(shape.item(items.length))]);
    form.restructure(slot, slot.get(), item(slot, items.length).pointer);
  };
  parts.push(el("div", { class: "with" }, button("Add an item", add, `Add an item to ${at.name || "the value"}`),
    value !== undefined && !at.required && !at.kept && button("Leave out", () => form.restructure(slot, undefined), `Leave out ${at.name}`)));
  return group(form, shape, slot, at, parts);
}

export function choicePart(form, shape, slot, at) {
  const value = slot.get();
  const id = `field-${form.ids++}`;
  const picked = form.picks.get(slot.pointer);
  const is = value === undefined ? -1 : picked !== undefined && shape.options[picked] && fits(shape.options[picked].shape(), value) ? picked : chosen(shape, value);
  const control = el("select", { id });
  if (value === undefined || (!at.required && !at.kept)) control.append(new Option("—", ""));
  shape.options.forEach((option, i) => control.append(new Option(clipped(option.label, 80), String(i))));
  if (is < 0 && value !== undefined) control.append(new Option("another, as JSON", "json"));
  control.value = is >= 0 ? String(is) : value === undefined ? "" : "json";
  control.addEventListener("change", () => {
    if (control.value === "json") return;
    const to = shape.options[Number(control.value)];
    if (control.value !== "") form.picks.set(slot.pointer, Number(control.value));
    form.picked = id;
    form.restructure(slot, control.value === "" ? undefined : sample(to.shape()));
  });
  const about = el("p", { id: `${id}-about`, class: "about" }, said(shape));
  const fault = el("p", { id: `${id}-fault`, class: "fault" });
  control.setAttribute("aria-describedby", `${about.textContent ? `${id}-about ` : ""}${id}-fault`);
  control.setAttribute("aria-label", `Kind of ${at.name || "the value"}`);
  const label = at.bare ? undefined : el("label", { for: id }, name(at), at.required && !at.extra && at.name !== "" && el("span", { class: "required" }, "required"));
  const inner = { ...at, depth: at.depth + 1, required: true, kept: true, bare: true };
  const part = value === undefined ? undefined : is < 0 ? json("No alternative of the schema is like this.") : shape.options[is].shape();
  // A value of which there is but one, such as null, needs no field beside its choice.
  const single = part?.kind === "null" || (part?.kind === "enum" && part.values.length === 1);
  const inside = part && !single && !form.full ? form.part(part, slot, inner) : undefined;
  if (!form.places.has(slot.pointer)) form.place(slot.pointer, control, fault);
  return el("div", { class: "choice" }, el("div", { class: "field" }, label, control, about.textContent ? about : undefined, fault), inside);
}
