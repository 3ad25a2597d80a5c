// What is shown in place of a view that the principal may not use.

import { $ } from "../shared/dom.js";
import { explained, server } from "../shared/server.js";
import { plain } from "../shared/units.js";

// withheld returns the view that says why another is not shown.
export function withheld(view) {
  return {
    name: "withheld",
    title: view.title,
    open() {
      $("withheld-title").textContent = view.title;
      $("withheld-says").textContent = reason(view);
      return { close() {} };
    },
  };
}

function reason({ title }) {
  const { principal, fault } = server;
  const who = principal.anonymous ? "Without a token, this page" : `The principal ${plain(principal.principal)}`;
  const refused = fault ? ` The server has refused the token: ${explained(fault)}.` : "";
  return `${title} is for operators. ${who} does not have the right to operate this server, `
    + `which a grant with admin: true gives. Use a token that has it.${refused}`;
}
