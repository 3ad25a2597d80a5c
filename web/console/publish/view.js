// The view Publish: a record for one of the streams that the principal may publish to.
//
// The modules: composer.js is the value as a text and as a form, schemas.js a stream's schema,
// which jsonschema.js (with conditions.js), avro.js and protobuf.js (with protofile.js) turn into
// what shape.js describes; form.js, groups.js, controls.js and slot.js are the form of that, and
// faults.js what the server says is wrong. record.js has the other parts of a record, fillings.js
// and templates.js what it can be filled with, sender.js sends it, and echo.js shows it as it
// comes back.

import { $ } from "../shared/dom.js";
import { answered } from "../shared/faults.js";
import { Refused, explained, server } from "../shared/server.js";
import { Composer } from "./composer.js";
import { Echo } from "./echo.js";
import { Faults } from "./faults.js";
import { fillings } from "./fillings.js";
import { Headers, bodyOf, newID, timestamp } from "./record.js";
import { schemaOf } from "./schemas.js";
import { Sender, Unknown } from "./sender.js";

export const publish = { name: "publish", title: "Publish", open };

function open(root, context) {
  const ended = new AbortController();
  const select = $("publish-stream");
  const composer = new Composer();
  const headers = new Headers($("publish-headers"), $("publish-header-add"));
  const sender = new Sender();
  const faults = new Faults($("publish-faults"), composer);
  const echo = new Echo({ root: $("publish-echo"), note: $("publish-echo-note"), record: $("publish-echo-record"), link: $("publish-live") });
  const record = { composer, headers, key: $("publish-key"), ts: $("publish-ts") };
  const filling = fillings(record, note);
  let streams = [];
  let stream = null;
  let asked = null; // aborts what belongs to the stream before
  let unsettled = null; // a record of unknown outcome, to be sent again as it was
  let place = null; // of the last record

  function note(text) {
    $("publish-note").textContent = text;
  }

  function say(kind, text) {
    $("publish-result").dataset.kind = kind;
    $("publish-result").textContent = text;
  }

  // settle ends what is known of the last record.
  function settle() {
    unsettled = null;
    $("publish-again").hidden = true;
    $("publish-id").value = sender.takesIDs(stream?.stream) ? newID() : "this stream takes none";
  }

  async function choose(name) {
    stream = streams.find((s) => s.stream === name);
    select.value = name;
    context.note("publish", { stream: name });
    asked?.abort();
    asked = new AbortController();
    const { signal } = asked;
    say("", "");
    note("");
    $("publish-see").hidden = true;
    settle();
    faults.clear();
    echo.clear();
    filling.choose(stream);
    composer.use(null);
    if (!stream.schema) return;
    try {
      const schema = await schemaOf(stream, signal);
      if (!signal.aborted) composer.use(schema);
    } catch (error) {
      if (!signal.aborted) note(`${error.message} The value can be written as JSON.`);
    }
  }

  // compose returns what is to be sent, or says what is wrong with it.
  function compose() {
    const fault = composer.check();
    if (fault) {
      say("bad", fault);
      return null;
    }
    try {
      const parts = { key: record.key.value, headers: headers.list, ts: timestamp(record.ts.value), kind: composer.kind, text: composer.text };
      const id = $("publish-id").value;
      return { stream, body: (withID) => bodyOf({ ...parts, messageID: withID && id }) };
    } catch (error) {
      say("bad", error.message);
      $("publish-more").open = true;
      record.ts.focus();
      return null;
    }
  }

  async function send(sent) {
    if (!sent) return;
    const button = root.querySelector("#publish [type=submit]");
    button.disabled = true;
    $("publish-again").hidden = true;
    faults.clear();
    $("publish-see").hidden = true;
    say("", "Publishing");
    try {
      const answer = await sender.send(sent.stream.stream, sent.body, { say: (text) => say("", text), signal: ended.signal });
      if (stream === sent.stream) settle();
      took(sent, answer);
    } catch (error) {
      if (ended.signal.aborted) return;
      refused(sent, error);
    } finally {
      button.disabled = false;
    }
  }

  function took(sent, answer) {
    if (answer.code) {
      // A dead letter: it has been taken, and is not in the stream.
      say("bad", `${answer.code}: ${answer.message ?? ""}`);
      faults.show("The record breaks a rule of the stream, and is kept apart as a dead letter. It is not in the stream.", answer.errors ?? []);
      return;
    }
    const { partition, offset, duplicate } = answer;
    say("good", `Stored in partition ${partition} at offset ${offset}${duplicate ? ". It had been stored before, under the same message id" : ""}`);
    place = { stream: sent.stream.stream, from: `offset:${partition}:${offset}` };
    $("publish-live").href = `#live?${new URLSearchParams(place)}`;
    $("publish-see").hidden = false;
    echo.watch(sent.stream.stream, answer, sent.stream.subscribe !== false);
  }

  function refused(sent, error) {
    if (error instanceof Unknown) {
      unsettled = sent;
      $("publish-again").hidden = !sender.takesIDs(sent.stream.stream);
      say("bad", error.message);
      return;
    }
    if (stream === sent.stream) settle();
    const errors = error instanceof Refused ? error.errors : [];
    say("bad", errors.length ? `${error.code}: ${error.message}` : explained(error));
    if (errors.length) faults.show("The record was not stored.", errors);
  }

  async function load() {
    try {
      streams = (await answered(() => server.streams(ended.signal), ended.signal)).filter((s) => s.publish);
    } catch (error) {
      if (!ended.signal.aborted) say("bad", explained(error));
      return;
    }
    select.replaceChildren(...streams.map((s) => new Option(s.stream, s.stream)));
    const wanted = context.parameters.get("stream");
    if (streams.length) choose(streams.some((s) => s.stream === wanted) ? wanted : streams[0].stream);
    else say("bad", "There are no streams that you are allowed to publish to.");
    root.querySelector("#publish [type=submit]").disabled = !streams.length;
  }

  const form = $("publish");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (stream) send(compose());
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    // Enter in a field of the form is not yet a record.
    else if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
  });
  select.addEventListener("change", () => choose(select.value));
  $("publish-again").addEventListener("click", () => send(unsettled));
  $("publish-see").addEventListener("click", () => $("publish-echo").focus());
  $("publish-ts-now").addEventListener("click", () => { record.ts.value = String(Date.now()); });
  $("publish-live").addEventListener("click", (event) => {
    event.preventDefault();
    context.go("live", place);
  });
  settle();
  load();

  return {
    close() {
      ended.abort();
      asked?.abort();
      echo.clear();
      composer.close();
    },
    follow(parameters) {
      const wanted = parameters.get("stream");
      if (wanted !== stream?.stream && streams.some((s) => s.stream === wanted)) choose(wanted);
    },
  };
}
