// For Svelte: the newest events of a stream, as a readable store. It subscribes when
// somebody looks at the store.

import { collect, empty } from "./collect.js";

export const streamStore = (sluice, stream, options = {}) => {
  const runs = new Set();
  let view = empty;
  let stop;
  return {
    subscribe: (run) => {
      runs.add(run);
      run(view);
      stop ??= collect(sluice, stream, options, (next) => {
        view = next;
        for (const each of runs) each(view);
      });
      return () => {
        runs.delete(run);
        if (runs.size) return;
        stop?.();
        stop = undefined;
        view = empty;
      };
    },
  };
};
