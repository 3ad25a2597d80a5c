// Requests that get no answer.

import { explained } from "./server.js";

// How long an answer is awaited, in ms.
const patience = 15_000;

// patient is a signal that ends a request if another does, and if it takes too long.
export const patient = (signal) => AbortSignal.any([signal, AbortSignal.timeout(patience)]);

// unanswered says whether an error is that there was no answer: what was asked for may have
// been done.
export const unanswered = (error) => error instanceof TypeError || error.name === "TimeoutError";

export const faultText = (error) => (unanswered(error) ? "The server does not answer" : explained(error));
