import type { Sluice } from "./sluice.js";
import type { View, ViewOptions } from "./collect.js";
export type { View, ViewOptions };

/** The newest events of a stream, as a readable store. */
export function streamStore<Data = any>(
  sluice: Sluice,
  stream: string,
  options?: ViewOptions,
): { subscribe(run: (view: View<Data>) => void): () => void };
