// The documents: their colours, the search, and examples that run against this server.

import { setUpTheme } from "../shared/theme.js";
import { setUpExamples } from "./examples.js";
import { setUpSearch } from "./search.js";

setUpTheme(document.getElementById("theme"));
setUpSearch(document.getElementById("search"), document.getElementById("found"));
setUpExamples(document.getElementById("text"));

// What is wider than the page scrolls by itself, also by the keyboard.
const wide = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const element of document.querySelectorAll("#text :is(pre, table)")) wide.observe(element);
