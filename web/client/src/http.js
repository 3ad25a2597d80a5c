// Reading over HTTP: server-sent events, and pages.

import { SluiceError, lost } from "./fault.js";
import { goesBack } from "./position.js";

/** query writes the parameters of a request; names of arrays are repeated. */
export const query = (parameters) =>
  "?" + Object.entries(parameters).flatMap(([name, value]) => [value ?? []].flat().map((v) => name + "=" + encodeURIComponent(v))).join("&");

/** pathOf returns the path of a stream. */
export const pathOf = (stream) => `v1/streams/${encodeURIComponent(stream)}/`;

/** problem is the fault that a response with an error status describes. */
export const problem = async (response) => {
  const { status } = response;
  // A proxy that has answered knows nothing of codes.
  const fault = await response.json().catch(() => {});
  return fault?.code ? new SluiceError(fault) : lost(status, { status, action: status > 404 ? "resume" : "stop" });
};

const heartbeat = "15s";
const silence = 30000; // after which the server counts as gone

/** readEvents carries a feed by server-sent events, until it throws how they ended. */
export const readEvents = async (feed, client, signal, watch) => {
  const { stream, ...parameters } = feed.request();
  parameters.heartbeat = heartbeat;
  const path = feed.position.several ? "v1/events" + query({ stream, ...parameters }) : pathOf(stream) + "events" + query(parameters);
  const response = await client.ask(path, { signal });
  const reader = response.body?.getReader?.();
  if (!reader) throw lost("silence", { next: true });
  const decoder = new TextDecoder();
  // An event of the server has one line of data, and perhaps an id, which is the cursor after it. Other
  // lines begin with e (event), r (retry) and a colon.
  let rest = "";
  let m, id, size;
  for (;;) {
    const { value, done } = await reader.read();
    watch(silence);
    if (done) throw lost("silence");
    const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      const text = line.replace(/^\w*: ?/, "");
      if (line[0] === "d") {
        m = { type: "cursor", ...JSON.parse(text) };
        size = text.length;
      }
      else if (line[0] === "i") id = text;
      else if (!line && m) {
        if (m.type === "closing") throw new SluiceError(m);
        if (m.type === "token_expiring" && client.renewable) throw lost(m.type, { action: "reauthenticate", quiet: true });
        client.reached("sse");
        feed.take(m, id || m.cursor || "", size);
        m = id = undefined;
      }
    }
    if (feed.full) watch();
    await feed.room();
  }
};

/** ordered puts the gaps of a page in front of what follows them in their partition. */
export function* ordered({ records, gaps }, position) {
  for (const record of records) {
    for (const gap of gaps) {
      const after = goesBack(gap) ? record.offset < position.offset(record) : record.offset >= gap.to;
      if (gap.partition === record.partition && after) {
        gaps = gaps.filter((other) => other !== gap);
        yield gap;
      }
    }
    yield record;
  }
  yield* gaps;
}

/** readPages carries a feed by pages that wait for records. */
export const readPages = async (feed, client, signal, watch) => {
  if (feed.position.several) throw lost("stream");
  for (let live; ; ) {
    const { stream, ...parameters } = feed.request();
    watch(silence);
    // The first page is short, as there is no cursor before its end.
    const page = await client.page(stream, { from: "latest", limit: feed.position.cursor ? 500 : 1, ...parameters, wait: live ? heartbeat : "0s" }, signal);
    watch();
    client.reached("pages");
    for (const m of ordered(page, feed.position)) feed.take(m, "", JSON.stringify(m).length);
    feed.take({ type: page.caught_up && !live ? "caught_up" : "cursor" }, page.cursor, 0);
    live ||= page.caught_up;
    await feed.room();
  }
};
