// The form that publishes.

export class Publisher {
  constructor({ panel, form, key, data, result }) {
    Object.assign(this, { panel, form, key, data, result });
    this.button = form.querySelector("button");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    panel.addEventListener("toggle", () => {
      if (panel.open) panel.scrollIntoView({ block: "nearest" });
    });
    data.addEventListener("input", () => this.check());
    data.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }

  // choose takes the stream to publish to. allowed is undefined where the
  // server does not say.
  choose(stream, allowed) {
    this.stream = stream;
    this.panel.hidden = allowed === false;
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
      const response = await fetch(`v1/streams/${encodeURIComponent(this.stream)}/records`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      const answer = await response.json().catch(() => ({}));
      if (response.ok) this.say("good", `Stored in partition ${answer.partition} at offset ${answer.offset}`);
      else this.say("bad", describe(response, answer));
    } catch {
      this.say("bad", "No answer. The record may or may not be stored");
    } finally {
      this.button.disabled = false;
    }
  }
}

function describe(response, answer) {
  const text = answer.detail ?? answer.message ?? answer.title ?? response.statusText;
  const places = (answer.errors ?? []).map((e) => `${e.pointer || "/"} ${e.message}`);
  return [`${answer.code ?? response.status}: ${text}`, ...places].join(" · ");
}
