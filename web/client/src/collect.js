// What the bindings have in common: the newest events of a subscription, and its state.

const frame = 50; // how often a view changes at most, in milliseconds

/** collect calls set with each new view, until the function that it returns is called. */
export const collect = (sluice, stream, { limit = 100, ...options }, set) => {
  const subscription = sluice.subscribe(stream, options);
  let view = empty;
  let fresh = [];
  let timer;
  const change = (more) => {
    view = { ...view, ...more };
    timer ??= setTimeout(() => {
      timer = undefined;
      view = { ...view, events: [...view.events, ...fresh].slice(-limit) };
      fresh = [];
      set(view);
    }, frame);
  };
  subscription.on("event", (event) => {
    fresh.push(event);
    if (fresh.length > 2 * limit) fresh = fresh.slice(-limit);
    change({ last: event });
  });
  subscription.on("gap", (gap) => change({ gaps: view.gaps + 1, gap }));
  subscription.on("state", ({ state }) => change({ state }));
  subscription.on("error", (error) => change({ error }));
  subscription.on("caughtup", () => change({ error: undefined }));
  return () => {
    subscription.close();
    clearTimeout(timer);
  };
};

/** empty is the view before anything has come. */
export const empty = { events: [], last: undefined, gaps: 0, gap: undefined, state: "connecting", error: undefined };
