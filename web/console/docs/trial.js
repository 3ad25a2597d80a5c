// Sending the request of an example: HTTP, or a conversation on a WebSocket.

import { isWebSocket } from "./requests.js";

// How long a conversation waits for the answer to a message before it sends the next, in ms.
const patience = 1500;

let cursor = ""; // the last that any trial has been sent, for the places of others

// base is where the server is, below whatever prefix.
const base = new URL("../", document.baseURI);

// send sends a request and calls say with what comes, until it ends or the signal aborts.
export async function send(request, token, say, signal) {
  const filled = fill(request, token);
  if (isWebSocket(request)) await converse(filled, token, say, signal);
  else await ask(filled, token, say, signal);
}

// fill puts the values in for the placeholders of the documents.
function fill(request, token) {
  const value = (text) => text.replace(/<cursor(-\d+)?>/g, () => {
    if (!cursor) throw new Error("The request has a place for a cursor, and none has come yet: run an example that reads, or write one in.");
    return cursor;
  }).replace(/<token[^>]*>/g, () => {
    if (!token) throw new Error("The request has a place for a token: put one into the field.");
    return token;
  });
  return { ...request, path: value(request.path), body: value(request.body), headers: request.headers.map(([n, v]) => [n, value(v)]), sends: request.sends.map(value) };
}

function learn(text) {
  for (const [, found] of text.matchAll(/"cursor":"([^"]+)"/g)) cursor = found;
  for (const [, found] of text.matchAll(/^id: (.+)$/gm)) cursor = found;
}

async function ask({ method, path, headers, body }, token, say, signal) {
  const response = await fetch(new URL(path.slice(1), base), {
    method, signal, body: body || undefined, cache: "no-store",
    headers: [...headers, ...(token ? [["Authorization", `Bearer ${token}`]] : [])],
  });
  const shown = ["content-type", "retry-after", "ratelimit", "sluice-cursor", "sluice-caught-up"].filter((name) => response.headers.has(name));
  say(`HTTP ${response.status} ${response.statusText}\n${shown.map((name) => `${name}: ${response.headers.get(name)}\n`).join("")}\n`);
  const decoder = new TextDecoder();
  for (const reader = response.body?.getReader(); reader;) {
    const { done, value } = await reader.read();
    if (done) return;
    const text = decoder.decode(value, { stream: true });
    learn(text);
    say(text);
  }
}

// converse opens a WebSocket and sends one message after the other, each once the one
// before it is answered.
function converse({ path, sends, headers }, token, say, signal) {
  const url = new URL(path.slice(1), base);
  url.protocol = url.protocol.replace("http", "ws");
  const protocols = headers.filter(([name]) => name.toLowerCase() === "sec-websocket-protocol").map(([, value]) => value);
  // A page cannot send the credential with the handshake.
  const auth = token && !sends.some((send) => JSON.parse(send).type === "auth") ? [JSON.stringify({ type: "auth", id: "token", token })] : [];
  const waiting = [...auth, ...sends];
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, protocols);
    let answering = null; // the id of the message that was sent last
    let timer = 0;
    const next = () => {
      clearTimeout(timer);
      if (!waiting.length || ws.readyState !== WebSocket.OPEN) return;
      const text = waiting.shift();
      answering = JSON.parse(text).id;
      ws.send(text);
      say(`C ${token ? text.replaceAll(token, "…") : text}\n`);
      timer = setTimeout(next, patience);
    };
    const stop = () => ws.close(1000);
    signal.addEventListener("abort", stop, { once: true });
    ws.onopen = next;
    ws.onmessage = ({ data }) => {
      learn(data);
      say(`S ${data}\n`);
      const { id, type } = JSON.parse(data.split("\n", 1)[0]);
      if (answering !== null && (id === answering || (type === "welcome" && answering === "token"))) next();
    };
    ws.onclose = ({ code, reason }) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      say(`closed: ${code} ${reason}\n`);
      if (signal.aborted || code === 1000) resolve();
      else reject(new Error(`The connection has ended with ${code}${reason && `: ${reason}`}.`));
    };
  });
}
