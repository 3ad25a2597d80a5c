// Sending a record: it is stored, not stored, or nobody knows. What nobody knows is asked
// about with the same message id, under which it is stored once.

import { Refused, server, streamPath } from "../shared/server.js";

const attempts = 3; // before the user is asked
const shortest = 500; // ms between attempts, where the server does not say
const longest = 10_000; // ms that are waited without asking

// Unknown is the outcome of a record that may or may not be stored.
export class Unknown extends Error {}

export class Sender {
  plain = new Set(); // streams that take no message ids

  takesIDs(stream) {
    return !this.plain.has(stream);
  }

  // send sends a record, which body(withID) writes, and returns the server's answer. It says
  // what it waits for.
  async send(stream, body, { say, signal }) {
    let asked = false; // an attempt may have stored it
    for (let attempt = 1; ; attempt++) {
      const withID = this.takesIDs(stream);
      try {
        return await this.post(stream, body(withID), signal);
      } catch (error) {
        if (signal.aborted) throw error;
        if (error.code === "bad_request" && withID && !asked) {
          // Does the stream take no ids? Then the record is not at fault.
          const answer = await this.post(stream, body(false), signal).catch((other) => { throw other.code === "bad_request" ? error : other; });
          this.plain.add(stream);
          return answer;
        }
        const lost = !(error instanceof Refused) || error.code === "publish_unknown" || (error.status >= 500 && !error.problem.code);
        if (!lost && !(asked && error.problem.retryable)) throw error;
        asked = true;
        if (!withID) throw new Unknown("No answer. The record may or may not be stored, and this stream takes no message ids: sending it again may store it twice.");
        const wait = error.problem?.retry_after_ms ?? shortest * 2 ** attempt;
        if (attempt === attempts || wait > longest) {
          throw new Unknown("It is not known whether the record is stored. Trying again with the same message id finds out, and never stores it twice.");
        }
        say(`No answer yet. Asking again with the same message id (attempt ${attempt + 1}).`);
        await new Promise((resolve) => setTimeout(resolve, wait));
        signal.throwIfAborted();
      }
    }
  }

  async post(stream, body, signal) {
    return server.request("POST", streamPath(stream, "/records"), { body, signal });
  }
}
