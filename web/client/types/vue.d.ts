import type { MaybeRefOrGetter, ShallowRef } from "vue";
import type { Sluice } from "./sluice.js";
import type { View, ViewOptions } from "./collect.js";
export type { View, ViewOptions };

/** The newest events of a stream, as a ref. */
export function useStream<Data = any>(
  sluice: Sluice,
  stream: MaybeRefOrGetter<string | null | undefined>,
  options?: MaybeRefOrGetter<ViewOptions>,
): ShallowRef<View<Data>>;
