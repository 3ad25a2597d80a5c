// The console: which view is shown, for which principal.
//
// The address says what is shown: #live?stream=market.ticks&from=-5m. A view is an object
// with a name, a title, and open(root, context), which fills root and returns an object with
// close() and, if the view can follow another address without being opened anew,
// follow(parameters). A view with allowed(principal) is shown to those principals only;
// others are told why it is withheld from them.

import { el, fromTemplate } from "./shared/dom.js";
import { keyed } from "./shared/keyed.js";
import { setState } from "./shared/state.js";
import { server } from "./shared/server.js";
import { setUpTheme } from "./shared/theme.js";
import { connect } from "./connect/view.js";
import { live } from "./live/view.js";
import { publish } from "./publish/view.js";
import { sessions } from "./sessions/view.js";
import { health } from "./health/view.js";
import { withheld } from "./withheld/view.js";

const views = [live, publish, connect, sessions, health];

const root = document.getElementById("view");
const list = document.getElementById("views");
let shown = null; // the name of the view, and what its open() returned
let opened = null;
let current; // differs each time that a view is opened
let known = location.hash; // the address that is shown; another one has its event to come

// address returns the name of the view and the parameters of the address. Without a name, as
// in #stream=market.ticks, it is the first view's.
function address() {
  const text = location.hash.slice(1);
  const [, name, query] = /^([a-z]+)(?:\?(.*))?$/.exec(text) ?? [, "", text];
  return { name: name || views[0].name, parameters: new URLSearchParams(query ?? "") };
}

// go shows a view. replace changes the address without a new entry in the history.
function go(name, parameters = {}, { replace = false } = {}) {
  const query = new URLSearchParams(parameters).toString();
  const hash = `#${name}${query && `?${query}`}`;
  if (hash === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  known = location.hash;
  if (!replace) show();
}

const allowed = (view) => !view.allowed || view.allowed(server.principal);

function show() {
  known = location.hash;
  const { name, parameters } = address();
  // Without a token that the server takes there is nothing to see, but where to give it one.
  const refused = server.fault?.status === 401;
  const named = refused ? connect : views.find((v) => v.name === name) ?? views.find(allowed);
  const view = allowed(named) ? named : withheld(named);
  listViews(view);
  if (shown === view.name && opened?.follow) {
    opened.follow(parameters);
    return;
  }
  const held = root.contains(document.activeElement);
  opened?.close();
  shown = view.name;
  setState("idle", "");
  document.title = `${view.title} · Sluice`;
  root.replaceChildren(fromTemplate(view.name));
  root.dataset.view = view.name;
  // A view changes the address to what it shows by now, unless there is another one already,
  // whose turn comes with its event.
  const isShown = Symbol(view.name);
  current = isShown;
  const note = (of, now) => {
    if (current === isShown && location.hash === known) go(of, now, { replace: true });
  };
  opened = view.open(root, { parameters, go, note });
  // What had the focus in the view before is gone. A link of the header keeps it.
  if (held) root.focus({ preventScroll: true });
}

// listViews keeps the links that stay, one of which may have the focus.
const listLinks = keyed(list, (view) => view.name, (view) => {
  const link = el("a", { href: `#${view.name}` }, view.title);
  return { element: el("li", {}, link), update: () => {} };
});

function listViews(current) {
  listLinks(views.filter(allowed));
  for (const link of list.querySelectorAll("a")) {
    if (link.hash === `#${current.name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// What a principal may do decides which views there are.
server.on("principal", () => {
  opened?.close();
  shown = opened = null;
  show();
});

// The address is that of the view, which the link that skips the header leaves as it is.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  root.focus();
});

setUpTheme(document.getElementById("theme"));
addEventListener("hashchange", show);
addEventListener("pagehide", () => opened?.close());
addEventListener("pageshow", (event) => {
  // From the back/forward cache, which keeps no connections.
  if (!event.persisted) return;
  shown = opened = null;
  show();
});
await server.identify();
