// The view Live: streams, what is read of one, and the parts that show it.

import { Chart } from "./chart.js";
import { Feed } from "./feed.js";
import { List } from "./list.js";
import { $ } from "../shared/dom.js";
import { setState } from "../shared/state.js";

// How often the page is drawn, and how often a server that does not answer is
// asked for its streams, in ms.
const drawEvery = 200;
const askEvery = 2000;

export const live = { name: "live", title: "Live", open };

function open(root, context) {
  const list = new List({ list: $("events"), empty: $("empty"), detail: $("detail"), title: $("detail-title"), follow: $("follow") });
  const chart = new Chart($("chart"), $("rate"));

  let streams = [];
  let chosen = "";
  let paused = false;
  let behind = 0; // events since the pause
  let received = 0;
  let gaps = 0;
  let live = false; // what was asked for of the past has come
  let partitions = new Set();

  const feed = new Feed({
    state: setState,
    event(text) {
      received++;
      chart.count(1);
      const partition = /"partition":(\d+)/.exec(text);
      if (partition) partitions.add(partition[1]);
      keep({ text });
    },
    gap(gap) {
      gaps++;
      keep({ gap, text: JSON.stringify(gap) });
    },
    caughtUp() {
      // Beside what a replay brings in a second, nothing live can be seen.
      if (!live) chart.reset();
      live = true;
      $("empty").textContent = "Nothing yet. Events appear here as they are written.";
    },
    anew(closing) {
      // Everything since the start comes again, and what could not be continued may be missing.
      clear();
      live = false;
      $("empty").textContent = `The position could not be used any more (${closing.code ?? "no reason given"}), and records may be missing. Reading from the start again.`;
      gaps++;
      keep({ gap: closing, text: JSON.stringify(closing) });
    },
    refused(closing) {
      setState("failed", closing.message ?? closing.code ?? "Refused");
      $("empty").textContent = `The server ended the stream: ${closing.code ?? "no reason given"}. Apply starts it again.`;
    },
  });

  function keep(item) {
    if (paused) behind++;
    list.add(item);
  }


  function draw() {
    chart.draw();
    $("received").textContent = received.toLocaleString();
    $("partitions").textContent = partitions.size;
    $("gaps").textContent = gaps;
    const label = paused ? `Resume (${behind.toLocaleString()} new)` : "Pause";
    if ($("pause").textContent !== label) $("pause").textContent = label;
    if (!paused) list.draw();
  }

  function setPaused(on) {
    paused = on;
    behind = 0;
    $("pause").setAttribute("aria-pressed", String(on));
    draw();
  }

  function clear() {
    received = gaps = behind = 0;
    partitions = new Set();
    list.clear();
    chart.reset();
    draw();
  }

  // start reads the chosen stream from where the form says.
  function start() {
    if (!chosen) return;
    const from = $("from").value;
    const key = $("key").value;
    clear();
    setPaused(false);
    live = false;
    $("empty").textContent = "Waiting for events.";
    const parameters = [["from", from]];
    if (key) parameters.push(["key", key]);
    feed.open(chosen, parameters);
    context.note("live", [["stream", chosen], ...parameters]);
    const url = new URL(`v1/streams/${encodeURIComponent(chosen)}/events`, document.baseURI);
    url.hash = "";
    url.search = new URLSearchParams(parameters).toString().replaceAll("%3A", ":");
    $("curl").textContent = `curl -N '${url.href.replaceAll("'", "%27")}'`;
    document.title = `${chosen} · Sluice`;
  }

  function choose(name) {
    chosen = name;
    const stream = streams.find((s) => s.name === name) ?? { name };
    $("stream-name").textContent = name;
    $("stream-facts").textContent = facts(stream);
    for (const button of $("streams").querySelectorAll("button")) {
      const is = button.dataset.stream === name;
      button.setAttribute("aria-current", String(is));
      if (is) button.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    start();
    describe(name);
  }

  // describe asks for what the server knows of a stream only once it is read.
  async function describe(name) {
    try {
      const response = await fetch(`v1/streams/${encodeURIComponent(name)}`);
      const stream = normal(await response.json());
      if (response.ok && name === chosen) $("stream-facts").textContent = facts(stream);
    } catch {
      // The facts are an ornament; that the server is away, the feed tells.
    }
  }

  function facts(stream) {
    const n = stream.partitions;
    return [
      n ? `${n} partition${n === 1 ? "" : "s"}` : "",
      stream.content ?? "",
      stream.publish === false ? "read only" : "",
    ].filter(Boolean).join(" · ");
  }

  // normal takes a stream as the server tells of it.
  function normal(stream) {
    if (typeof stream === "string") return { name: stream };
    const partitions = Array.isArray(stream.partitions) ? stream.partitions.length : stream.partitions;
    return { ...stream, name: stream.stream ?? stream.name, partitions };
  }

  function listStreams() {
    $("streams").replaceChildren(...streams.map((stream) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const name = document.createElement("span");
      button.type = "button";
      button.dataset.stream = stream.name;
      name.textContent = stream.name;
      button.append(name);
      if (stream.partitions) {
        const small = document.createElement("small");
        small.textContent = stream.partitions;
        small.title = "partitions";
        button.append(small);
      }
      button.addEventListener("click", () => choose(stream.name));
      item.append(button);
      return item;
    }));
  }

  // load asks for the streams, until the server answers.
  async function load() {
    let response;
    try {
      response = await fetch("v1/streams", { headers: { accept: "application/json" } });
    } catch {
      setState("working", "The server does not answer");
      setTimeout(load, askEvery);
      return;
    }
    if (response.status === 401 || response.status === 403) {
      setState("failed", "Not allowed");
      $("streams-note").textContent = "This server requires a token, which this page cannot send. To show streams here, add an anonymous grant.";
      $("empty").textContent = "A token is required.";
      return;
    }
    if (!response.ok) {
      setState("working", `The server answers ${response.status}`);
      setTimeout(load, askEvery);
      return;
    }
    const answer = await response.json();
    streams = (Array.isArray(answer) ? answer : answer.streams ?? [])
      .map(normal)
      .filter((s) => s.name && s.subscribe !== false)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    listStreams();
    $("streams-note").textContent = streams.length ? "" : "There are no streams that you are allowed to read.";
    const wanted = context.parameters;
    if (wanted.get("key")) $("key").value = wanted.get("key");
    if (wanted.get("from")) setFrom(wanted.get("from"));
    const first = streams.find((s) => s.name === wanted.get("stream")) ?? streams[0];
    if (first) choose(first.name);
    else setState("idle", "No streams");
  }

  // setFrom chooses a start, also one that is not offered.
  function setFrom(from) {
    const select = $("from");
    if (![...select.options].some((option) => option.value === from)) select.append(new Option(from, from));
    select.value = from;
  }

  async function copy(button, text) {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not possible";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  $("reading").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  $("from").addEventListener("change", start);
  $("key").addEventListener("search", start);
  $("pause").addEventListener("click", () => setPaused(!paused));
  $("clear").addEventListener("click", clear);
  $("copy").addEventListener("click", () => copy($("copy"), list.shown ?? ""));
  $("curl-copy").addEventListener("click", () => copy($("curl-copy"), $("curl").textContent));
  const drawing = setInterval(draw, drawEvery);
  setState("working", "Loading");
  load();

  return {
    close() {
      clearInterval(drawing);
      feed.close();
    },
  };
}
