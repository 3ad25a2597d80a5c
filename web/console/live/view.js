// The view Live: the streams, and panes side by side, each with what is read of one, or of a pattern.
//
// The modules: streams.js is the list of streams, address.js what the address says, pane.js one
// stream with its form.js, chart.js and latency.js. Records come by feed.js, which is the
// JavaScript client with tap.js on its texts, are held by rows.js in two of ring.js, and are drawn
// by list.js, each as row.js says. past.js and history.js fetch older ones. drawer.js shows one
// record, with value.js, positions.js and programs.js.

import { $, el } from "../shared/dom.js";
import { Refused, explained, server } from "../shared/server.js";
import { setState } from "../shared/state.js";
import { format, parse, same, start } from "./address.js";
import { connection } from "./feed.js";
import { Pane } from "./pane.js";
import { several } from "./rows.js";
import { Menu, busiest, matches } from "./streams.js";

// How often the lists are drawn, how many of these turns the figures take, and how often a server
// that does not answer is asked for its streams, in ms.
const drawEvery = 100;
const figuresEvery = 5;
const askEvery = 2000;

// How many streams are shown side by side.
const mostPanes = 4;

export const live = { name: "live", title: "Live", open };

function open(root, context) {
  const link = connection(server);
  const menu = new Menu($("streams"), $("streams-search"), $("streams-note"), { choose, add });
  let streams = null; // once the server has answered
  let panes = [];
  let active = null; // the pane that was used last
  let closed = false;

  const reads = () => panes.map((pane) => pane.read);

  // changed brings the address and the header in line with the panes.
  function changed() {
    if (!panes.length) return;
    context.note("live", format(reads()));
    document.title = `${panes.map((pane) => pane.read.stream).join(", ")} · Sluice`;
    const worst = ["failed", "working", "live"].map((kind) => panes.find((pane) => pane.state.kind === kind)).find(Boolean);
    if (!worst) return;
    const of = panes.length > 1 && worst.state.kind !== "live" ? `${worst.read.stream}: ` : "";
    setState(worst.state.kind, of + worst.state.text);
  }

  // make puts a pane in a place, instead of the one that is there.
  function make(read, place) {
    const info = several(read.stream) ? { streams: streams.map(({ stream }) => stream).filter((stream) => matches(read.stream, stream)) }
      : streams.find((stream) => stream.stream === read.stream);
    // A session has each stream once, of one filter: a pattern would not be sent those of other panes.
    const own = several(read.stream) ? connection(server) : null;
    const pane = new Pane(read, info, own ?? link, { changed, remove: () => remove(pane), closed: () => own?.client.close() });
    const old = panes[place];
    if (old) old.root.replaceWith(pane.root);
    else $("panes").append(pane.root);
    old?.close();
    panes[place] = pane;
    pane.root.addEventListener("focusin", () => { active = pane; });
    pane.root.addEventListener("pointerdown", () => { active = pane; });
    pane.start();
    return pane;
  }

  function arrange() {
    $("panes").dataset.panes = panes.length;
    menu.show(panes.map((pane) => pane.read.stream), panes.length < mostPanes);
    changed();
  }

  function show(wanted) {
    for (const pane of panes.splice(0)) pane.close();
    wanted.slice(0, mostPanes).forEach((read, i) => make(read, i));
    active = panes[0];
    arrange();
  }

  // choose shows a stream in the pane that was used last.
  function choose(stream) {
    const place = Math.max(0, panes.indexOf(active));
    active = make({ stream, from: panes[place]?.read.from ?? start, key: "", filter: "" }, place);
    arrange();
  }

  function add(stream) {
    if (panes.length >= mostPanes) return;
    active = make({ stream, from: start, key: "", filter: "" }, panes.length);
    arrange();
    active.root.scrollIntoView({ block: "nearest" });
  }

  function remove(pane) {
    pane.close();
    panes = panes.filter((other) => other !== pane);
    active = panes[0];
    arrange();
    active.list.element.focus({ preventScroll: true });
  }

  // load asks for the streams, until the server answers.
  async function load() {
    try {
      streams = (await server.streams()).filter((stream) => stream.subscribe !== false);
    } catch (error) {
      if (closed) return;
      if (error instanceof Refused && error.status < 500) refused(error);
      else {
        setState("working", error instanceof Refused ? `The server answers ${error.status}` : "The server does not answer");
        setTimeout(() => closed || load(), askEvery);
      }
      return;
    }
    if (closed) return;
    menu.fill(streams);
    await showAddress(context.parameters);
  }

  async function showAddress(parameters) {
    const wanted = parse(parameters);
    if (!wanted[0].stream) {
      setState("working", "Looking for records");
      wanted[0].stream = await busiest(streams) ?? "";
      if (closed) return;
    }
    if (wanted[0].stream) show(wanted);
    else setState("idle", "No streams");
  }

  function refused(error) {
    const refusal = server.token ? "The token is refused" : "A token is needed";
    setState("failed", error.status === 401 ? refusal : "Not allowed");
    $("streams-note").replaceChildren(`${explained(error)} `, el("a", { href: "#connect" }, server.token ? "Enter another token" : "Enter a token"));
  }

  let turn = 0;
  const drawing = setInterval(() => {
    if (document.hidden) return;
    turn++;
    for (const pane of panes) pane.tick(turn % figuresEvery === 0);
  }, drawEvery);
  setState("working", "Loading");
  load();

  return {
    follow(parameters) {
      if (!streams) return;
      if (panes.length && !parameters.get("stream")) changed();
      else if (!same(parse(parameters), reads())) showAddress(parameters);
    },
    close() {
      closed = true;
      clearInterval(drawing);
      for (const pane of panes) pane.close();
      link.client.close();
    },
  };
}
