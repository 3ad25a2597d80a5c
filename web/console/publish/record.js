// The parts of a record beside its value, as they are typed and as they are sent.

import { $, el } from "../shared/dom.js";

const mostHeaders = 100;

export function newID() {
  // crypto.randomUUID is only in pages of https and of this machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// Headers is the list of rows of a name and a value.
export class Headers {
  constructor(root, add) {
    this.root = root;
    add.addEventListener("click", () => this.add("", "", "text").querySelector("input").focus());
  }

  clear() {
    this.root.replaceChildren();
  }

  add(name, value, kind) {
    const n = this.root.childElementCount + 1;
    const plain = { spellcheck: "false", autocapitalize: "off" };
    const of = el("select", { "aria-label": `Kind of header ${n}` }, new Option("text", "text"), new Option("base64", "base64"), new Option("null", "null"));
    const row = el("div", { class: "header with" },
      el("input", { ...plain, placeholder: "name", "aria-label": `Name of header ${n}` }),
      el("input", { ...plain, placeholder: "value", "aria-label": `Value of header ${n}` }),
      of,
      el("button", { type: "button", class: "quiet", "aria-label": `Remove header ${n}`, onclick: () => { row.remove(); $("publish-header-add").focus(); } }, "Remove"));
    const [first, second] = row.querySelectorAll("input");
    first.value = name;
    second.value = value;
    of.value = kind;
    const nothing = () => { second.disabled = of.value === "null"; };
    of.addEventListener("change", nothing);
    nothing();
    this.root.append(row);
    return row;
  }

  // list returns the headers as the protocol has them; rows without a name are none.
  get list() {
    return [...this.root.children].flatMap((row) => {
      const [name, value] = [...row.querySelectorAll("input")].map((input) => input.value);
      const kind = row.querySelector("select").value;
      if (name === "") return [];
      return [kind === "null" ? [name, null] : kind === "base64" ? [name, value, "base64"] : [name, value]];
    });
  }

  set list(headers) {
    this.clear();
    for (const [name, value, encoding] of headers.slice(0, mostHeaders)) this.add(String(name), String(value ?? ""), value === null ? "null" : encoding ?? "text");
  }
}

// timestamp returns the milliseconds of what was typed, undefined for nothing.
export function timestamp(typed) {
  const text = typed.trim();
  if (text === "") return undefined;
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isSafeInteger(ms) || ms < 0) throw new Error("The timestamp is neither Unix milliseconds nor a time such as 2026-11-29T12:00:00Z.");
  return ms;
}

// base64OfText is the UTF-8 of a text, in base64.
export function base64OfText(text) {
  let binary = "";
  for (const b of new TextEncoder().encode(text)) binary += String.fromCharCode(b);
  return btoa(binary);
}

// bodyOf writes a record. The value is sent as it was typed: parsing it would change large
// numbers. It stands last.
export function bodyOf({ key, headers, ts, messageID, kind, text }) {
  const parts = [];
  if (key !== "") parts.push(`"key":${JSON.stringify(key)}`);
  if (headers.length) parts.push(`"headers":${JSON.stringify(headers)}`);
  if (ts !== undefined) parts.push(`"ts":${ts}`);
  if (messageID) parts.push(`"message_id":${JSON.stringify(messageID)}`);
  switch (kind) {
    case "tombstone": parts.push('"tombstone":true'); break;
    case "text": parts.push('"encoding":"base64"', `"data":"${base64OfText(text)}"`); break;
    case "base64": parts.push('"encoding":"base64"', `"data":${JSON.stringify(text.replace(/\s+/g, ""))}`); break;
    default: parts.push(`"data":${text}`);
  }
  return `{${parts.join(",")}}`;
}
