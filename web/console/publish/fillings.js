// What a record can be filled with: an example of the schema, the last record of the stream,
// and templates.

import { $ } from "../shared/dom.js";
import { explained, server, streamPath, Refused } from "../shared/server.js";
import { Digits, parse, print } from "../shared/value.js";
import { Templates } from "./templates.js";

// fillings sets up the controls, and returns choose(stream).
export function fillings({ composer, headers, key, ts }, note) {
  const list = $("publish-templates");
  let stream;
  let templates;

  function listTemplates(chosen = "") {
    const names = [...templates.all().keys()];
    list.replaceChildren(new Option(names.length ? "choose" : "none saved", ""), ...names.map((name) => new Option(name, name)));
    list.value = chosen;
    $("publish-template-delete").hidden = list.value === "";
  }

  function take(record) {
    key.value = record.key;
    headers.list = record.headers;
    ts.value = "";
    composer.fill(record.text, record.kind);
    if (record.headers.length) $("publish-more").open = true;
  }

  async function takeLast() {
    note("");
    const from = stream;
    try {
      const response = await server.fetch(streamPath(from.stream, "/records?from=last:1"));
      const text = await response.text();
      if (!response.ok) throw new Refused(response.status, problemOf(text));
      // The text is read with its digits.
      const [record] = parse(text).get("records");
      if (from !== stream) return;
      if (!record) note("The stream has no record that you may read.");
      else take(editable(record, from));
    } catch (error) {
      note(`The last record could not be read. ${explained(error)}`);
    }
  }

  $("publish-sample").addEventListener("click", () => composer.example());
  $("publish-last").addEventListener("click", takeLast);
  list.addEventListener("change", () => {
    const chosen = templates.all().get(list.value);
    if (chosen) take(chosen);
    $("publish-template-delete").hidden = list.value === "";
  });
  $("publish-template-delete").addEventListener("click", () => {
    templates.remove(list.value);
    listTemplates();
    list.focus();
  });

  const naming = $("publish-naming");
  const name = $("publish-template-name");
  $("publish-template-save").addEventListener("click", () => {
    naming.hidden = false;
    name.value = list.value;
    name.focus();
  });
  const keep = () => {
    if (name.value.trim() === "") {
      name.focus();
      return;
    }
    note(templates.save(name.value.trim(), { key: key.value, headers: headers.list, kind: composer.kind, text: composer.text }));
    naming.hidden = true;
    listTemplates(name.value.trim());
    list.focus();
  };
  $("publish-template-keep").addEventListener("click", keep);
  name.addEventListener("keydown", (event) => {
    if (event.key === "Escape") naming.hidden = true;
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keep();
  });

  return {
    choose(to) {
      stream = to;
      templates = new Templates(to.stream);
      listTemplates();
      $("publish-last").hidden = to.subscribe === false;
    },
  };
}

// problemOf is what the server says, if it is the server that says it.
function problemOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

// editable is an event as the parts of a record that can be published.
function editable(event, stream) {
  const get = (name) => event.get(name);
  const data = get("data");
  const plain = (part) => (part instanceof Digits ? part.text : part);
  let kind = "json";
  if (get("tombstone") === true) kind = "tombstone";
  else if (get("encoding") === "base64") kind = "base64";
  else if (get("encoding") === "text" || (stream.content === "text" && typeof data === "string")) kind = "text";
  return {
    key: get("key_encoding") || get("key") === null ? "" : get("key"),
    headers: (get("headers") ?? []).map((header) => header.map(plain)),
    kind,
    text: kind === "tombstone" ? "" : kind === "json" ? print(data, "  ") : data,
  };
}
