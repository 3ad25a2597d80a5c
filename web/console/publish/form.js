// The form that publishes.

import { explained, server, streamPath } from "../shared/server.js";

export class Publisher {
  constructor({ form, key, data, result }) {
    Object.assign(this, { form, key, data, result });
    this.button = form.querySelector("button");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    data.addEventListener("input", () => this.check());
    data.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }

  choose(stream) {
    this.stream = stream;
    this.say("", "");
  }

  say(kind, text) {
    this.result.dataset.kind = kind;
    this.result.textContent = text;
  }

  check() {
    let fault = "";
    try {
      JSON.parse(this.data.value);
    } catch (error) {
      fault = error.message;
    }
    this.data.setAttribute("aria-invalid", String(fault !== ""));
    if (fault) this.say("bad", fault);
    else if (this.result.dataset.kind === "bad") this.say("", "");
    return fault === "";
  }

  async send() {
    if (!this.check()) {
      this.data.focus();
      return;
    }
    // The data goes as it was typed: parsing would change large numbers.
    const key = this.key.value === "" ? "" : `"key":${JSON.stringify(this.key.value)},`;
    const body = `{${key}"data":${this.data.value}}`;
    this.button.disabled = true;
    this.say("", "Publishing");
    try {
      const { partition, offset } = await server.request("POST", streamPath(this.stream, "/records"), { body });
      this.say("good", `Stored in partition ${partition} at offset ${offset}`);
    } catch (error) {
      this.say("bad", error instanceof TypeError ? "No answer. The record may or may not be stored" : explained(error));
    } finally {
      this.button.disabled = false;
    }
  }
}
