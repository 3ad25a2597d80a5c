import type { Sluice } from "./sluice.js";
import type { View, ViewOptions } from "./collect.js";
export type { View, ViewOptions };

/** The newest events of a stream, as state of a component; without a stream, none. */
export function useStream<Data = any>(sluice: Sluice, stream: string | null | undefined, options?: ViewOptions): View<Data>;
