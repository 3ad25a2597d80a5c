// What the principal may do with each stream.

import { el } from "../shared/dom.js";
import { span } from "./claims.js";

const most = 500; // rows

const yes = (is, says = "yes") => el("td", { class: is ? "yes" : "no" }, is ? says : "no");

// replay says how far back a principal may read: -1 is as far as the records are kept.
function replay(ms) {
  if (ms === undefined) return "";
  return ms < 0 ? "everything" : ms === 0 ? "nothing" : span(ms);
}

export function rightsTable(streams) {
  const rows = streams.slice(0, most).map((s) => el("tr", {},
    el("th", { scope: "row" }, s.stream, s.topic_missing && el("span", { class: "required" }, "topic missing")),
    yes(s.subscribe), yes(s.publish),
    el("td", {}, s.subscribe ? replay(s.replay_ms) : "–"),
    el("td", {}, [s.filtered && "only some records", s.redacted && "without some fields"].filter(Boolean).join(", ") || (s.subscribe ? "whole" : "–")),
    el("td", {}, [s.content, s.schema && "schema"].filter(Boolean).join(", ") || "any")));
  const heads = ["Stream", "Subscribe", "Publish", "Reads back", "Records", "Content"];
  return el("table", {},
    streams.length > most && el("caption", {}, `The first ${most} of ${streams.length.toLocaleString()} streams`),
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, rows));
}
