// Asking before something is done that cannot be taken back.

import { $, el } from "./dom.js";

// confirmed asks with a dialog and returns whether the answer is yes. title and says, which
// is what will happen in a paragraph each, are texts or elements; act is the word on the
// button. Cancel has the focus, so that neither Enter nor a second click of an impatient
// hand does anything.
export function confirmed({ title, says, act, grave = false }) {
  const { promise, resolve } = Promise.withResolvers();
  const cancel = el("button", { type: "button", class: "quiet" }, "Cancel");
  const yes = el("button", { type: "button", class: grave ? "grave" : "" }, act);
  const dialog = el("dialog", { class: "confirm", "aria-labelledby": "confirm-title", "aria-describedby": "confirm-says" },
    el("h2", { id: "confirm-title" }, title),
    el("div", { id: "confirm-says" }, says.map((paragraph) => (typeof paragraph === "string" ? el("p", {}, paragraph) : paragraph))),
    el("div", { class: "choices" }, cancel, yes));
  return show(dialog, cancel, yes, { promise, resolve });
}

function show(dialog, cancel, yes, { promise, resolve }) {
  let answer = false;
  cancel.addEventListener("click", () => dialog.close());
  yes.addEventListener("click", () => {
    answer = true;
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(answer);
  });
  $("view").append(dialog); // it goes with the view
  dialog.showModal();
  cancel.focus();
  return promise;
}
