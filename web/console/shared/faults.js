// Requests that get no answer.

import { explained } from "./server.js";
import { setState } from "./state.js";

// How long an answer is awaited, and how often a server that does not answer is asked again, in ms.
const patience = 15_000;
const askEvery = 2000;

// patient is a signal that ends a request if another does, and if it takes too long.
export const patient = (signal) => AbortSignal.any([signal, AbortSignal.timeout(patience)]);

// unanswered says whether an error is that there was no answer: what was asked for may have
// been done.
export const unanswered = (error) => error instanceof TypeError || error.name === "TimeoutError";

export const faultText = (error) => (unanswered(error) ? "The server does not answer" : explained(error));

// answered asks until the server answers, and returns the answer. Meanwhile the header says that it
// does not.
export async function answered(ask, signal) {
  for (let away = false; ; away = true) {
    try {
      const answer = await ask();
      if (away) setState("idle", "");
      return answer;
    } catch (error) {
      if (signal.aborted || !(unanswered(error) || error.status >= 500)) throw error;
      setState("working", faultText(error));
    }
    await new Promise((resolve) => setTimeout(resolve, askEvery));
    signal.throwIfAborted();
  }
}
