import type { Options } from "./sluice.js";

/** `<sluice-stream src stream key filter from limit>`, defined when this module is loaded. */
export class SluiceStream extends HTMLElement {
  token?: Options["token"];
}
