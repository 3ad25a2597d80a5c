// The drawer of a pane: the chosen record, or the last one, and programs that read on from it.

import { copyButton, el } from "../shared/dom.js";
import { members } from "../shared/raw.js";
import { show } from "../shared/json.js";
import { cells, changes } from "./row.js";
import { programs } from "./programs.js";
import { brief, dump, fromBase64, showValue } from "./value.js";

export class Drawer {
  row = null;
  cursorText = "";

  // on has: follow(), and promises of reading(row) (what a program reads) and cursor(row) (the cursor
  // after it).
  constructor(root, on) {
    const part = (name) => root.querySelector(`.${name}`);
    Object.assign(this, { root, on, part });
    part("follow").addEventListener("click", on.follow);
    copyButton(part("copy"), () => this.row?.text ?? "");
    copyButton(part("copy-cursor"), () => this.cursorText);
    copyButton(part("copy-program"), () => this.program);
    this.language = "curl";
    part("languages").append(...Object.keys(programs).map((language) => el("button", {
      type: "button", class: "quiet", "data-language": language, "aria-pressed": String(language === this.language),
      onclick: () => this.speak(language),
    }, language)));
    this.clear();
  }

  clear() {
    this.row = null;
    this.root.dataset.chosen = "false";
    this.part("title").textContent = "Last record";
    this.part("follow").hidden = true;
    for (const name of ["facts-of-record", "headers", "detail", "value-kind"]) this.part(name).replaceChildren();
    this.part("after").hidden = this.part("headers-part").hidden = true;
    this.write();
  }

  // look shows a row.
  look(row, chosen) {
    if (this.row === row && this.root.dataset.chosen === String(chosen)) return;
    this.row = row;
    this.root.dataset.chosen = String(chosen);
    this.part("follow").hidden = !chosen;
    const is = { record: "record", streams: "change" }[row.kind] ?? "gap";
    this.part("title").textContent = `${chosen ? "Chosen" : "Last"} ${is}`;
    if (row.kind === "record") this.record(row);
    else if (row.kind === "streams") this.change(row);
    else this.gap(row);
    this.part("after").hidden = !chosen;
    if (chosen) {
      this.write();
      this.after(row);
    }
  }

  record(row) {
    const event = JSON.parse(row.text);
    const raw = members(row.text);
    const kind = showValue(row.text, this.part("detail"));
    this.part("value-kind").textContent = kind;
    this.describe([
      ["Key", key(event)],
      ["Time (UTC)", row.ts === null ? "none" : new Date(row.ts).toISOString().replace("T", " ").replace("Z", "")],
      ...(typeof row.place === "string" ? [["Stream", event.stream]] : []),
      ["Place", `partition ${event.partition}, offset ${raw.offset}`],
    ]);
    const headers = event.headers ?? [];
    this.part("headers-part").hidden = !headers.length;
    this.part("headers").replaceChildren(...headers.map(([name, value, encoding]) => el("tr", {},
      el("th", { scope: "row" }, brief(name)),
      el("td", {}, value === null ? el("i", {}, "null") : encoding === "base64" ? bytes(value) : brief(value)))));
  }

  gap(row) {
    const [, place, reason, what] = cells(row);
    if (row.text) show(row.text, this.part("detail"));
    else this.part("detail").replaceChildren();
    this.part("value-kind").textContent = what;
    this.describe([["Place", place || "–"], ["Reason", reason || "–"]]);
    this.part("headers-part").hidden = true;
  }

  // change shows which streams have joined and left.
  change({ change, text }) {
    show(text, this.part("detail"));
    this.part("value-kind").textContent = changes(change);
    this.describe([["Joined", change.added.length.toLocaleString()], ["Left", change.removed.length.toLocaleString()]]);
    this.part("headers-part").hidden = true;
  }

  describe(facts) {
    this.part("facts-of-record").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  }

  // after shows the cursor after a row, which may have to be asked for.
  async after(row) {
    const set = (text, known) => {
      if (this.row !== row) return;
      this.cursorText = known ? text : "";
      this.part("cursor").textContent = text;
      this.part("copy-cursor").disabled = !known;
    };
    set("…", false);
    try {
      set(await this.on.cursor(row), true);
    } catch (error) {
      set(`not known: ${error.message}`, false);
    }
  }

  speak(language) {
    this.language = language;
    for (const button of this.part("languages").children) button.setAttribute("aria-pressed", String(button.dataset.language === language));
    this.write();
  }

  // write writes the program in the chosen language, once the position is known.
  async write() {
    const chosen = this.root.dataset.chosen === "true" && this.row?.kind === "record" ? this.row : null;
    const { language } = this;
    const asked = (this.asked = {});
    const set = (text, program) => {
      if (this.asked !== asked) return;
      this.program = program;
      this.part("program").textContent = text;
      this.part("copy-program").disabled = !program;
    };
    this.part("reads").textContent = chosen ? "Read on from this record" : "Read what is shown";
    this.part("program").setAttribute("aria-label", `Program in ${language}`);
    set("…", ""); // what stands there is another program
    try {
      const program = programs[language](await this.on.reading(chosen));
      set(program, program);
    } catch (error) {
      set(`The position is not known: ${error.message}`, "");
    }
  }
}

function key({ key, key_encoding: encoding }) {
  if (key === null) return el("i", {}, "null");
  return encoding === "base64" ? bytes(key) : brief(key);
}

const bytes = (text) => el("code", { class: "bytes" }, brief(dump(fromBase64(text))) || "no bytes");
