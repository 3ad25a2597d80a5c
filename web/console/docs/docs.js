// The documents: their colours, the search, and examples that run against this server.

import { setUpTheme } from "../shared/theme.js";
import { setUpExamples } from "./examples.js";
import { setUpSearch } from "./search.js";

setUpTheme(document.getElementById("theme"));
setUpSearch(document.getElementById("search"), document.getElementById("found"));
setUpExamples(document.getElementById("text"));
