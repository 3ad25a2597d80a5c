// For Vue: the newest events of a stream, as a ref. The stream can be a ref or a getter.

import { shallowRef, toValue, watchEffect } from "vue";
import { collect, empty } from "./collect.js";

export const useStream = (sluice, stream, options = {}) => {
  const view = shallowRef(empty);
  watchEffect((onCleanup) => {
    const name = toValue(stream);
    if (name) onCleanup(collect(sluice, name, toValue(options), (next) => (view.value = next)));
  });
  return view;
};
