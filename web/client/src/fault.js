// Faults: what the server refuses, and what becomes of connections.

/** An error with the server's code, and whether the same request can succeed later. */
export class SluiceError extends Error {
  constructor({ message, detail, ...fault }, cause) {
    super(message ?? detail ?? fault.code, { cause });
    Object.assign(this, { name: "SluiceError", retryable: fault.action === "resume" }, fault);
  }
}

/** lost is the fault of a connection that has ended without a word; more is added to it. */
export const lost = (message, more, cause) =>
  new SluiceError({ code: "connection_lost", message, action: "resume", ...more }, cause);

/** closed is the fault of a close code that no message has preceded. */
export const closed = (close) =>
  lost(close, {
    close,
    action:
      close === 4201 ? "reauthenticate"
      : close > 4499 ? "stop"
      : close > 4299 && close < 4400 ? "resync"
      : "resume",
  });

/** advised is a fault with an action, also where the server gives none. */
export const advised = (error) => {
  if (!(error instanceof SluiceError)) return lost(error?.message, {}, error);
  error.action ??= error.retryable ? "resume" : "stop";
  return error;
};
