// The view Connect: the token, for whom the server takes the page with it, and a connection
// to look at.
//
// The modules: claims.js is what a token says, mint.js the making of one, rights.js the rights by
// stream, trial.js the connection, with wires.js beneath the JavaScript client, frames.js the list
// of what passes, and continuity.js what a cut costs.

import { $, copyButton, el } from "../shared/dom.js";
import { answered } from "../shared/faults.js";
import { explained, server } from "../shared/server.js";
import { decode, refusal, span, time } from "./claims.js";
import { mintForm } from "./mint.js";
import { rightsTable } from "./rights.js";
import { Trial } from "./trial.js";

export const connect = { name: "connect", title: "Connect", open };

function open(root, context) {
  const ended = new AbortController();
  const { principal, fault, token } = server;
  const field = $("connect-token");
  const trial = new Trial();
  const curl = { stream: "" };
  let expiresAt = principal.expires_at;
  let lasts = false; // the token has not expired since the view was opened

  function showFault() {
    if (fault?.status !== 401) return;
    const text = token
      ? `${refusal(token, fault.code)} The server says: ${explained(fault)}`
      : "This server lets nobody in without a token. Paste one here; streams are shown after that.";
    $("connect-fault").textContent = text;
    $("connect-fault").hidden = false;
  }

  function showToken() {
    field.value = token;
    $("connect-forget").disabled = $("connect-copy").disabled = token === "";
    if (token === "") {
      $("connect-token-note").textContent = "No token is in use.";
      return;
    }
    try {
      const claims = decode(token);
      expiresAt ??= claims.expiresAt;
      $("connect-claims").replaceChildren(listed("Header", claims.header), listed("Claims", claims.payload));
      $("connect-token-note").textContent = "What the token says, as it was issued. Whether it is true, the server checks.";
    } catch (error) {
      $("connect-token-note").textContent = fault ? error.message : `${error.message} The server takes it all the same.`;
    }
  }

  const listed = (title, claims) => el("details", { open: true },
    el("summary", {}, title),
    el("dl", { class: "facts" }, claims.map(({ name, about, text }) => el("div", {}, el("dt", {}, el("code", {}, name), about && ` ${about}`), el("dd", {}, text)))));

  const fact = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));

  function showPrincipal() {
    const refused = fault !== null;
    const unknown = fault?.status === 401 ? "nobody: the server refuses the request" : "not known: the server does not tell";
    $("connect-principal").replaceChildren(...[
      fact("Principal", refused ? unknown : principal.principal || (principal.anonymous ? "anonymous" : "without a name")),
      principal.tenant ? fact("Tenant", principal.tenant) : undefined,
      fact("Signs in with", token ? "the token" : principal.anonymous ? "nothing" : "what the browser sends by itself (a cookie or a certificate)"),
      refused ? undefined : fact("May operate the server", principal.admin ? "yes" : "no"),
      el("div", {}, el("dt", {}, "Expires"), el("dd", { id: "connect-expiry" }, "never")),
    ].filter(Boolean));
    countDown();
  }

  function countDown() {
    if (expiresAt === undefined) return;
    const left = expiresAt - Date.now();
    $("connect-expiry").textContent = left > 0 ? `in ${span(left)}, ${time(expiresAt)}` : `${span(-left)} ago, ${time(expiresAt)}`;
    $("connect-expiry").dataset.kind = left > 60_000 ? "" : left > 0 ? "soon" : "over";
    if (lasts && left <= 0) server.identify(); // once, and the view is opened anew with the answer
    lasts = left > 0;
  }

  function showCurl() {
    const url = new URL(curl.stream ? `v1/streams/${encodeURIComponent(curl.stream)}/events` : "v1/streams", document.baseURI);
    url.hash = url.search = "";
    $("connect-curl").textContent = `curl -N ${token ? '-H "Authorization: Bearer $TOKEN" ' : ""}'${url.href.replaceAll("'", "%27")}'`;
  }

  async function showRights() {
    try {
      const streams = await answered(() => server.streams(ended.signal), ended.signal);
      $("connect-rights").replaceChildren(rightsTable(streams));
      $("connect-rights-note").textContent = streams.length ? "" : "There are no streams that you have a right to.";
      curl.stream = streams.find((s) => s.subscribe)?.stream ?? "";
      trial.offer(streams.filter((s) => s.subscribe !== false), context.parameters.get("stream"));
      showCurl();
    } catch (error) {
      if (ended.signal.aborted) return;
      trial.offer([]);
      $("connect-rights-note").textContent = fault?.status === 401 ? "Without a token that the server takes there are none." : explained(error);
    }
  }

  function reveal(on) {
    field.type = on ? "text" : "password";
    $("connect-show").textContent = on ? "Hide" : "Show";
    $("connect-show").setAttribute("aria-pressed", String(on));
  }

  $("connect-show").addEventListener("click", () => reveal(field.type === "password"));
  $("connect-token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    // People copy it with what stands before it.
    const pasted = field.value.trim().replace(/^(authorization:\s*)?bearer\s+/i, "");
    if (/^[\x21-\x7e]*$/.test(pasted)) server.use(pasted);
    else $("connect-token-note").textContent = "A token has no spaces and only characters of ASCII. Was all of it copied, and nothing else?";
  });
  $("connect-forget").addEventListener("click", () => server.use(""));
  copyButton($("connect-copy"), () => server.token);
  copyButton($("connect-curl-copy"), () => $("connect-curl").textContent);
  mintForm(principal);
  showFault();
  showToken();
  showPrincipal();
  showCurl();
  showRights();
  const ticking = setInterval(countDown, 1000);

  return {
    close() {
      ended.abort();
      clearInterval(ticking);
      trial.close();
      field.value = "";
    },
  };
}
