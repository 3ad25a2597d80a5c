// Publishing: every outcome is stored, not stored, or unknown. What is unknown is
// repeated with the same message id, which the server stores once.

import { SluiceError, advised, lost } from "./fault.js";
import { pathOf } from "./http.js";
import { Backoff, until } from "./wait.js";

const lasting = 60000; // how long an unknown outcome is asked about

const newID = () => `${Math.random()}${Math.random()}`;

// send makes one attempt.
const send = async (client, stream, body, signal) => {
  const link = [...client.links].find((l) => !l.busy());
  if (!link) return client.request("POST", pathOf(stream) + "records", body, signal);
  const { type, id, ...result } = await link.call({ type: "publish", stream, ...body }, signal);
  return result;
};

export const publish = async (client, stream, record, { signal, timeout = lasting } = {}) => {
  const records = [record].flat().map((r) => ({ message_id: client.plain.has(stream) ? undefined : newID(), ...r }));
  const body = Array.isArray(record) ? { records } : records[0];
  const backoff = new Backoff(client.options.backoff);
  const deadline = performance.now() + timeout; // a clock that is set does not change it
  for (let again; ; again = true) {
    let error;
    let result;
    try {
      result = await send(client, stream, body, signal);
      if (result.code) throw new SluiceError(result); // a dead letter
      if (!(result.results ?? result.offset + 1)) throw lost(); // of a portal, or after a redirect
      if (!result.results?.some((r) => r.code === "publish_unknown")) return result;
    } catch (thrown) {
      if (signal?.aborted) throw signal.reason;
      error = advised(thrown);
    }
    const identified = records.every((r) => r.message_id);
    if (!again && error?.code === "bad_request" && identified && ![record].flat()[0].message_id) {
      // Does the stream take no ids? Then the record is not at fault.
      for (const r of records) r.message_id = undefined;
      result = await send(client, stream, body, signal);
      client.plain.add(stream);
      return result;
    }
    // What is refused for now after an attempt that may have stored it is still unknown.
    if (error?.code === "connection_lost" || (again && error?.retryable)) error = new SluiceError({ code: "publish_unknown" }, error);
    if (error && error.code !== "publish_unknown") throw error;
    const left = deadline - performance.now();
    if (!identified || left <= 0) {
      if (!error) return result;
      throw Object.assign(error, { retryable: identified, message_id: body.message_id });
    }
    // The last attempt is at the end.
    await until(Math.min(backoff.delay({ ...error }), left), signal);
  }
};
