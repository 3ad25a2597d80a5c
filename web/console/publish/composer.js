// The value of the record: its text, and the form of the stream's schema, which follow each
// other. The text is what is sent, with the digits that it has.

import { $ } from "../shared/dom.js";
import { parse, print } from "../shared/value.js";
import { Form } from "./form.js";
import { sample } from "./shape.js";

const pause = 200; // ms without a key, after which the form follows the text
const longest = 256 << 10; // characters that a form follows
const blank = '{"hello": "world"}';

const labels = { json: "Data, as JSON", text: "Data, as text", base64: "Data, bytes in base64", tombstone: "A tombstone has no data" };

export class Composer {
  constructor() {
    this.data = $("publish-data");
    this.fault = $("publish-data-fault");
    this.kinds = $("publish-kind");
    this.fields = $("publish-form");
    this.messages = $("publish-message");
    this.schema = null;
    this.form = new Form({ root: this.fields, onchange: (value) => this.write(value) });
    this.filled = blank;
    this.data.value = blank;
    this.data.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.read(), pause);
    });
    this.kinds.addEventListener("change", () => this.turn());
    this.messages.addEventListener("change", () => this.use(this.schema, this.messages.value));
  }

  close() {
    clearTimeout(this.timer);
  }

  get kind() {
    return this.kinds.value;
  }

  get text() {
    return this.data.value;
  }

  get formed() {
    return this.shape !== undefined && this.kind === "json";
  }

  // use takes the schema of a stream, null for none, and one of its messages.
  use(schema, message = schema?.messages[0]) {
    const untouched = this.text === this.filled;
    this.schema = schema;
    this.shape = schema?.shape(message);
    this.form.clear();
    this.messages.replaceChildren(...(schema?.messages ?? []).map((name) => new Option(name, name)));
    if (message) this.messages.value = message;
    $("publish-message-label").hidden = (schema?.messages.length ?? 0) < 2;
    if (untouched) this.fill(this.shape ? print(sample(this.shape), "  ") : blank);
    else this.turn();
  }

  // fill replaces the value, of a kind.
  fill(text, kind = "json") {
    this.kinds.value = kind;
    this.data.value = text;
    this.filled = text;
    this.turn();
  }

  // example fills in what the schema says.
  example() {
    if (this.shape) this.fill(print(sample(this.shape, { all: true }), "  "));
    else this.fill(blank);
  }

  // turn shows what the kind of the value needs.
  turn() {
    const { kind } = this;
    $("publish-data-label").textContent = labels[kind];
    this.data.disabled = kind === "tombstone";
    $("publish-formed").hidden = !this.formed;
    $("publish-panes").classList.toggle("formed", this.formed);
    this.read();
  }

  // read has the form follow the text.
  read() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const fault = this.say(this.faultOf());
    if (!this.formed) return;
    const says = `${this.schema.kind}${this.schema.messages.length ? `, message ${this.messages.value}` : ""}. The server checks more than a form can show.`;
    const tooLong = this.text.length > longest;
    this.fields.disabled = tooLong || fault !== "";
    $("publish-formed-note").textContent = tooLong ? "The text is too long for a form." : fault ? "The form follows when the text is JSON again." : says;
    if (this.fields.disabled) return;
    this.form.show(this.shape, this.text.trim() === "" ? undefined : parse(this.text));
  }

  // write has the text follow the form.
  write(value) {
    if (this.timer !== undefined) {
      this.read(); // a text that the form has not followed yet wins
      return;
    }
    this.data.value = value === undefined ? "" : print(value, "  ");
    this.say("");
  }

  say(fault) {
    this.fault.textContent = fault;
    if (fault) this.data.setAttribute("aria-invalid", "true");
    else this.data.removeAttribute("aria-invalid");
    return fault;
  }

  faultOf() {
    const { kind, text } = this;
    if (kind === "base64" && !/^[A-Za-z0-9+/]*={0,2}$/.test(text.replace(/\s+/g, ""))) return "This is not base64.";
    if (kind !== "json" || (this.formed && text.trim() === "")) return "";
    try {
      parse(text);
      return "";
    } catch (error) {
      return error.message;
    }
  }

  // check says what is wrong with the value, and goes there.
  check() {
    if (this.timer !== undefined) this.read();
    const fault = this.faultOf() || (this.kind === "json" && this.text.trim() === "" ? "The record has no value." : "");
    this.say(fault);
    if (fault) {
      this.data.focus();
      return fault;
    }
    const [control] = this.formed ? this.form.invalid : [];
    control?.focus();
    return control ? "A field of the form has no value of its kind." : "";
  }
}
