// Making a token, which only sluice dev does.

import { $ } from "../shared/dom.js";
import { explained, server } from "../shared/server.js";
import { parse, print } from "../shared/value.js";

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

// mintForm sets up the form, if there is something to make tokens.
export function mintForm(principal) {
  // Who has signed in with a token must be able to make another.
  if (principal.mint) mints = true;
  $("connect-mint").hidden = !mints;
  $("connect-mint-form").addEventListener("submit", (event) => {
    event.preventDefault();
    mint();
  });
}

let mints = false; // the server makes tokens

async function mint() {
  const fault = $("mint-fault");
  const claims = $("mint-claims");
  fault.textContent = "";
  claims.removeAttribute("aria-invalid");
  let body;
  try {
    body = bodyOf(claims.value);
  } catch (error) {
    fault.textContent = error.message;
    claims.setAttribute("aria-invalid", "true");
    claims.focus();
    return;
  }
  try {
    const { token } = await server.request("POST", "v1/dev/tokens", { body });
    await server.use(token);
  } catch (error) {
    fault.textContent = explained(error);
  }
}

// bodyOf writes the request. Claims keep their digits.
function bodyOf(text) {
  const claims = text.trim() === "" ? new Map() : parse(text);
  if (!(claims instanceof Map)) throw new Error("The claims are an object of JSON, such as {\"role\": \"trader\"}.");
  const subject = $("mint-sub").value.trim();
  if (subject !== "") claims.set("sub", subject);
  const rest = {
    subscribe: words($("mint-subscribe").value), publish: words($("mint-publish").value), replay: $("mint-replay").value || undefined,
    filter: $("mint-filter").value.trim() || undefined, admin: $("mint-admin").checked, lifetime: $("mint-lifetime").value,
  };
  return `{"claims":${print(claims)},${JSON.stringify(rest).slice(1)}`;
}
