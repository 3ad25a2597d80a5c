// For RxJS: a stream as an Observable of events. Each subscriber has a subscription of
// its own; gaps are handed to the function onGap of the options.

import { Observable } from "rxjs";

export const fromStream = (sluice, stream, { onGap, ...options } = {}) =>
  new Observable((subscriber) => {
    const subscription = sluice.subscribe(stream, options);
    if (onGap) subscription.on("gap", onGap);
    subscription.on("event", (event) => subscriber.next(event));
    subscription.on("state", ({ state, error }) => {
      if (state === "closed") error ? subscriber.error(error) : subscriber.complete();
    });
    return () => subscription.close();
  });
