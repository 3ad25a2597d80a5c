// What the bindings show of a subscription.

import type { Event, Gap, SluiceError, State, SubscribeOptions } from "./sluice.js";

export interface View<Data = any> {
  /** The newest events, the newest last. */
  events: Event<Data>[];
  last: Event<Data> | undefined;
  /** How many gaps there were, and the last of them. */
  gaps: number;
  gap: Gap | undefined;
  state: State["state"];
  error: SluiceError | undefined;
}

export interface ViewOptions extends SubscribeOptions {
  /** How many events are kept; 100. */
  limit?: number;
}
