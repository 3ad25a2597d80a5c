// For React: the newest events of a stream, as state of a component.

import { useEffect, useState } from "react";
import { collect, empty } from "./collect.js";

export const useStream = (sluice, stream, options = {}) => {
  const [view, set] = useState(empty);
  useEffect(() => {
    set(empty);
    return stream ? collect(sluice, stream, options, set) : undefined;
  }, [sluice, stream, JSON.stringify(options)]);
  return view;
};
