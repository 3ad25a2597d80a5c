// The view Publish: a record for one of the streams that the principal may publish to.

import { $ } from "../shared/dom.js";
import { explained, server } from "../shared/server.js";
import { Publisher } from "./form.js";

export const publish = { name: "publish", title: "Publish", open };

function open(root, context) {
  const publisher = new Publisher({ form: $("publish"), key: $("publish-key"), data: $("publish-data"), result: $("publish-result") });
  const select = $("publish-stream");
  const ended = new AbortController();
  const choose = () => {
    publisher.choose(select.value);
    context.note("publish", { stream: select.value });
  };
  select.addEventListener("change", choose);
  load();

  async function load() {
    try {
      const streams = (await server.streams(ended.signal)).filter((s) => s.publish);
      select.replaceChildren(...streams.map((s) => new Option(s.stream, s.stream)));
      const wanted = context.parameters.get("stream");
      if (streams.some((s) => s.stream === wanted)) select.value = wanted;
      if (streams.length) choose();
      else publisher.say("bad", "There are no streams that you are allowed to publish to.");
    } catch (error) {
      if (!ended.signal.aborted) publisher.say("bad", explained(error));
    }
  }

  return { close: () => ended.abort() };
}
