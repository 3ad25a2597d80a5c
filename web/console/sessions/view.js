// The view Sessions: who is connected to this instance, and the named cursors.
//
// The modules: sessions.js are the sessions, each in a row.js with what figures.js works out;
// cursors.js are the named cursors, which move.js moves; listing.js is the table of both.

import { Cursors } from "./cursors.js";
import { Sessions } from "./sessions.js";
import { $ } from "../shared/dom.js";
import { setState } from "../shared/state.js";

export const sessions = { name: "sessions", title: "Sessions", allowed: (principal) => principal.admin === true, open };

function open(root, context) {
  const result = $("sessions-result");
  const say = (kind, text) => {
    result.dataset.kind = kind;
    result.textContent = text;
  };
  const cursors = context.parameters.get("show") === "cursors";
  const tools = { say, state: setState, note: (parameters) => context.note("sessions", parameters) };
  for (const [name, isShown] of [["sessions", !cursors], ["cursors", cursors]]) {
    $(`${name}-part`).hidden = !isShown;
    if (isShown) $(`to-${name}`).setAttribute("aria-current", "page");
  }
  setState("working", "Loading");
  const part = cursors ? new Cursors(context.parameters, tools) : new Sessions(context.parameters, tools);
  return { close: () => part.close() };
}
