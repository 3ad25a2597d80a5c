// The documents: nothing but their colours needs a script.

import { setUpTheme } from "../shared/theme.js";

setUpTheme(document.getElementById("theme"));
