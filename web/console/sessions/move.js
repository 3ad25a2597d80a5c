// The dialog that asks where a named cursor goes.

import { $, fromTemplate } from "../shared/dom.js";
import { count, moment, plain } from "../shared/units.js";

// ownerOf names whose cursor it is.
export const ownerOf = ({ subject, principal }) => plain(subject ?? principal);

// What happens to the subscription that holds a cursor.
const movedSays = "A live subscription holds the cursor. It ends, so that its acks do not undo this, and its client is told to begin again at the new position.";
export const heldSays = "A live subscription holds the cursor. It ends, as if another had taken the name over, so that its acks do not undo this.";

// placesOf lists a position: its partitions in order, each with the offset where it stands.
export function placesOf(position) {
  return (position?.partitions ?? []).map(({ partition, offset }) => [String(partition), String(offset)]).sort(([a], [b]) => a - b);
}

// placesText is a position in a line, of at most so many partitions.
export function placesText(position, most = 12) {
  const places = placesOf(position);
  if (places.length === 0) return "no position";
  const shown = places.slice(0, most).map(([partition, at]) => `${partition}: ${at}`);
  return shown.join(", ") + (places.length > most ? ` and ${count(places.length - most)} more` : "");
}

// asked returns where a cursor is to go, in the words of the server, or "" if nowhere. The
// first step is where, the second whether: it shows from where to where.
export function asked(cursor) {
  const { promise, resolve } = Promise.withResolvers();
  $("view").append(fromTemplate("sessions-move")); // it goes with the view
  const dialog = $("move");
  const form = $("move-form");
  const sure = $("move-sure");
  let to = "";
  let answer = "";

  const places = placesOf(cursor.position);
  $("move-title").textContent = `Move the cursor ${plain(cursor.name)}`;
  $("move-of").textContent = ownerOf(cursor);
  $("move-stream").textContent = plain(cursor.stream);
  $("move-partition").replaceChildren(...places.map(([partition]) => new Option(partition, partition)));
  const offset = $("move-offset");
  const partitionChosen = () => {
    offset.value = places.find(([partition]) => partition === $("move-partition").value)?.[1] ?? "";
  };
  partitionChosen();
  $("move-time").value = local(Date.now() - 3600e3);

  const kindChosen = () => {
    for (const field of dialog.querySelectorAll("[data-kind]")) field.hidden = field.dataset.kind !== $("move-kind").value;
    $("move-fault").textContent = "";
  };
  kindChosen();
  $("move-kind").addEventListener("change", kindChosen);
  $("move-partition").addEventListener("change", partitionChosen);

  const step = (confirming) => {
    form.hidden = confirming;
    sure.hidden = !confirming;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wish = wishOf($("move-kind").value, places);
    $("move-fault").textContent = wish.fault ?? "";
    if (wish.fault) return;
    to = wish.from;
    $("move-from").textContent = placesText(cursor.position);
    $("move-to").textContent = wish.says;
    $("move-held").textContent = cursor.held ? movedSays : "";
    step(true);
    $("move-cancel").focus();
  });
  $("move-back").addEventListener("click", () => {
    step(false);
    $("move-kind").focus();
  });
  $("move-yes").addEventListener("click", () => {
    answer = to;
    dialog.close();
  });
  for (const button of dialog.querySelectorAll(".cancel")) button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    resolve(answer);
  });
  dialog.showModal();
  $("move-kind").focus();
  return promise;
}

// wishOf returns what the form asks for: the start for the server and the words for people,
// or why it is none.
function wishOf(kind, places) {
  switch (kind) {
    case "earliest":
      return { from: "earliest", says: "the oldest records that are kept, in each partition" };
    case "latest":
      return { from: "latest", says: "the end of the stream: what is stored from now on" };
    case "time": {
      const time = new Date($("move-time").value);
      if (Number.isNaN(time.getTime())) return { fault: "Give a date and a time." };
      return { from: time.toISOString(), says: `the records since ${moment(time.getTime())}` };
    }
    case "offset": {
      const partition = $("move-partition").value;
      const offset = $("move-offset").value.trim();
      if (partition === "" || !/^\d{1,19}$/.test(offset)) return { fault: "Give a partition, and an offset that is a whole number of at most 19 digits." };
      // All of them are named: the server moves those that are not to their ends.
      const all = places.map(([p, at]) => `${p}:${p === partition ? offset : at}`);
      return { from: `offset:${all.join()}`, says: `offset ${offset} of partition ${partition}${all.length > 1 ? "; the others stay" : ""}` };
    }
    default: {
      const cursor = $("move-cursor").value.trim();
      if (cursor === "") return { fault: "Paste a cursor, such as the id of an event." };
      return { from: cursor, says: `the cursor ${plain(cursor, 60)}` };
    }
  }
}

// local is a time as an input of the type datetime-local has it.
function local(ms) {
  const time = new Date(ms);
  return new Date(ms - time.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}
