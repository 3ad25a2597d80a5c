// Waiting: full jitter, and what ends a wait early.

/** Backoff doubles its bound with each attempt, and waits anything up to it. */
export class Backoff {
  constructor(bounds) {
    Object.assign(this, { min: 500, max: 30000, attempts: 0 }, bounds);
  }

  delay(error) {
    return (error.retry_after_ms ?? 0) + Math.random() * Math.min(this.max, this.min * 2 ** this.attempts++);
  }
}

/** until resolves after a time, when the signal aborts, or when a function in wakers is called. */
export const until = (ms, signal, wakers) =>
  new Promise((resolve) => {
    const done = () => {
      watch();
      signal?.removeEventListener("abort", done);
      wakers?.delete(done);
      resolve();
    };
    const watch = watchdog(done);
    watch(ms || 1);
    signal?.addEventListener("abort", done);
    wakers?.add(done);
    if (signal?.aborted) done();
  });

/** patience is how long a transport may take to get through. */
export const patience = 5000;

/** watchdog calls back unless it is called again within the time that it was given. */
export const watchdog = (lapse) => {
  let timer;
  return (ms) => {
    clearTimeout(timer);
    // A timer of 25 days would end at once.
    if (ms) timer = setTimeout(lapse, Math.min(ms, 1e9));
  };
};

/** onWake calls back when a page may have slept (false) or moved to another network (true). */
export const onWake = (wake, until) => {
  const { document } = globalThis;
  const listen = (target, type, moved) => target?.addEventListener?.(type, () => document?.hidden || wake(moved), until);
  listen(globalThis, "online", true);
  listen(globalThis, "pageshow");
  listen(document, "visibilitychange");
};

/** Emitter calls handlers. What one of them throws does not keep others from being called. */
export class Emitter {
  handlers = {};

  on(type, handler) {
    const all = (this.handlers[type] ??= new Set());
    all.add(handler);
    this.pump?.(); // what has waited for a handler
    return () => all.delete(handler);
  }

  emit(type, value) {
    for (const handler of this.handlers[type] ?? []) {
      try {
        handler(value);
      } catch (error) {
        Promise.reject(error); // reported as unhandled
      }
    }
  }
}
