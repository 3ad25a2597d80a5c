// Types of the client that shares one connection between tabs.

import type { Options, Sluice } from "./sluice.js";
export * from "./sluice.js";

/** As connect of sluice.js; tabs with the same URL and group share a connection, and must have the same rights. */
export function connect(url?: string | URL, options?: Options & { group?: string }): Sluice;
