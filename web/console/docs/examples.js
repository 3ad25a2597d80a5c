// Examples that run: below each example whose requests a page can send stands a button that
// opens a form with the request, which can be changed, and shows what this server answers.

import { el } from "../shared/dom.js";
import { isWebSocket, parsed, renamed, requestsOf, streamOf, wantsToken, written } from "./requests.js";
import { send } from "./trial.js";

const most = 40000; // characters of an answer that are kept, the last

let token = ""; // in the memory of this page only
let streams = null; // the promise of the server's streams

export function setUpExamples(text) {
  for (const code of text.querySelectorAll("pre > code")) {
    const language = /language-(\S+)/.exec(code.className)?.[1] ?? "";
    const requests = /^(http|sse|ndjson|ws|console|sh)$/.test(language) ? requestsOf(language, code.textContent) : [];
    if (requests.length) code.parentElement.after(opener(requests));
  }
}

function opener(requests) {
  const button = el("button", { type: "button", class: "quiet", "aria-expanded": "false" }, "Run it here");
  const box = el("div", { class: "trial" }, button);
  let form = null;
  button.addEventListener("click", () => {
    if (!form) box.append((form = trial(requests)));
    else form.hidden = !form.hidden;
    button.setAttribute("aria-expanded", String(!form.hidden));
  });
  return box;
}

// trial is the form of an example.
function trial(requests) {
  const which = el("select", {}, requests.map((r, i) => el("option", { value: i }, `${r.method} ${r.path}`)));
  const stream = el("select");
  const streamLabel = el("label", { hidden: true }, "Stream", stream);
  const tokenField = el("input", { type: "password", autocomplete: "off", spellcheck: "false", placeholder: "none" });
  const tokenLabel = el("label", { class: "grow", hidden: !requests.some(wantsToken) }, "Token, kept in this page only", tokenField);
  const request = el("textarea", { rows: 4, spellcheck: "false", autocapitalize: "off" });
  const start = el("button", { type: "submit" }, "Send");
  const stop = el("button", { type: "button", class: "quiet", disabled: true }, "Stop");
  const status = el("output", { role: "status" });
  const answer = el("pre", { class: "answer", tabindex: "0", "aria-label": "The answer", hidden: true });
  const form = el("form", { autocomplete: "off" },
    el("div", { class: "bar" }, requests.length > 1 && el("label", { class: "grow" }, "Request", which), streamLabel, tokenLabel),
    el("label", {}, "Request, which you may change", request),
    el("div", { class: "send" }, start, stop, status), answer);
  let named = ""; // the stream that stands in the request
  let running = null;

  async function choose() {
    request.value = written(requests[which.value || 0]);
    request.rows = Math.min(12, request.value.split("\n").length + 1);
    named = streamOf(request.value) ?? "";
    streamLabel.hidden = !named;
    if (!named) return;
    const here = await known();
    stream.replaceChildren(...[...new Set([named, ...here])].map((name) => el("option", {}, name)));
    // A name of the documents that this server does not have stands for another.
    if (here.length && !here.includes(named)) stream.value = here[0];
    rename();
  }

  function rename() {
    request.value = renamed(request.value, named, stream.value);
    named = stream.value;
  }

  const say = (kind, text) => {
    status.dataset.kind = kind;
    status.textContent = text;
  };

  async function run() {
    const asked = parsed(request.value);
    if (!asked) {
      say("bad", "The first line must be a method and a path, as in: GET /v1/streams");
      request.focus();
      return;
    }
    running?.abort();
    const mine = new AbortController();
    running = mine;
    answer.hidden = false;
    answer.textContent = "";
    stop.disabled = false;
    say("", isWebSocket(asked) ? "Connecting" : "Sent");
    const show = (text) => {
      if (running !== mine) return;
      const atEnd = answer.scrollTop + answer.clientHeight >= answer.scrollHeight - 4;
      answer.textContent = (answer.textContent + text).slice(-most);
      if (atEnd) answer.scrollTop = answer.scrollHeight;
    };
    try {
      await send(asked, token, show, mine.signal);
      if (running === mine) say("good", mine.signal.aborted ? "Stopped" : "Done");
    } catch (error) {
      if (running === mine) say(mine.signal.aborted ? "good" : "bad", mine.signal.aborted ? "Stopped" : error.message);
    }
    if (running === mine) stop.disabled = true;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  stop.addEventListener("click", () => running?.abort());
  which.addEventListener("change", choose);
  stream.addEventListener("change", rename);
  tokenField.value = token;
  tokenField.addEventListener("input", () => {
    token = tokenField.value.trim();
    streams = null;
  });
  addEventListener("pagehide", () => running?.abort());
  choose();
  return form;
}

// known returns the names of the streams that this server has for the page.
function known() {
  streams ??= fetch("../v1/streams", { headers: token ? { authorization: `Bearer ${token}` } : {} })
    .then(async (response) => (response.ok ? (await response.json()).streams.map((s) => s.stream) : []))
    .catch(() => []);
  return streams;
}
