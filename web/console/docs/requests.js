// What an example asks of the server: requests as the documents write them, and commands of
// curl.

const method = /^(GET|POST|PUT|DELETE) (\/\S*)$/;
const served = /^\/(v1|topics|kafka)(\/|\?|$)/; // below these, the clients' listener answers
const unsendable = /^(cookie|origin|host|dpop|content-encoding|sec-fetch-.*|connection|upgrade)$/i; // by a page

// requestsOf returns the requests of an example, each as a text to be edited, or none if a
// page cannot send them.
export function requestsOf(language, text) {
  const found = language === "console" || language === "sh" ? curls(text) : exchanges(text);
  return found.filter(({ path, headers }) => served.test(path) && !headers.some(([name]) => unsendable.test(name)));
}

// exchanges reads requests with their answers: a request line, headers, and after an empty
// line the body, up to the status line of the answer. On a WebSocket, lines that begin with
// C are what the client sends.
function exchanges(text) {
  const all = [];
  let part = "";
  for (const line of text.split("\n")) {
    const start = method.exec(line);
    const request = all.at(-1);
    if (start) {
      all.push({ method: start[1], path: start[2], headers: [], body: "", sends: [] });
      part = "headers";
    } else if (!request) {
      continue;
    } else if (line.startsWith("HTTP/1.1 ")) {
      part = "answer";
    } else if (line.startsWith("C ")) {
      request.sends.push(line.slice(2));
    } else if (part === "headers" && line === "") {
      part = "body";
    } else if (part === "headers") {
      request.headers.push(header(line));
    } else if (part === "body") {
      request.body += `${line}\n`;
    }
  }
  for (const request of all) request.body = request.sends.length ? "" : request.body.trim();
  return all;
}

// header splits a header line into name and value.
function header(line) {
  const [, name, value] = /^([^:]*):?\s*(.*)$/.exec(line);
  return [name, value];
}

// curls reads the commands of curl among lines.
function curls(text) {
  return text.split("\n").map((line) => line.replace(/^\$ /, "")).filter((line) => /^curl /.test(line) && !/[|<>;$`]/.test(line))
    .map(curl).filter(Boolean);
}

// The options of curl that the documents use. Others make a command one that is not offered.
const flags = { "-N": 0, "-s": 0, "-i": 0, "-H": 1, "-d": 1, "--data-binary": 1, "-X": 1 };

function curl(line) {
  const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2] ?? m[3]).slice(1);
  const request = { method: "GET", path: "", headers: [], body: "", sends: [] };
  while (words.length) {
    const word = words.shift();
    if (!word.startsWith("-")) {
      const url = URL.parse(word);
      if (!url) return null;
      request.path = url.pathname + url.search;
      continue;
    }
    if (!(word in flags)) return null;
    const value = flags[word] ? words.shift() : "";
    if (word === "-H") request.headers.push(header(value));
    if (word === "-X") request.method = value;
    if (word === "-d" || word === "--data-binary") Object.assign(request, { method: "POST", body: value });
  }
  return request;
}

// written is a request as a text, without the credential, which has a field of its own.
export function written({ method, path, headers, body, sends }) {
  const lines = [`${method} ${path}`, ...headers.filter(([name]) => name.toLowerCase() !== "authorization").map(([name, value]) => `${name}: ${value}`)];
  if (body) lines.push("", body);
  if (sends.length) lines.push("", ...sends.map((send) => `C ${send}`));
  return lines.join("\n");
}

// parsed is the request of a text that may have been edited, or undefined.
export const parsed = (text) => exchanges(text)[0];

// wantsToken reports whether an example is written with a credential.
export const wantsToken = ({ headers, sends }) =>
  headers.some(([name]) => name.toLowerCase() === "authorization") || sends.some((send) => send.includes("<token"));

export const isWebSocket = ({ path }) => /^\/v1\/ws(\?|$)/.test(path);

const names = [/(\/v1\/streams\/)([^/?\s]+)/g, /([?&]stream=)([^&\s]+)/g, /("stream":")([^"]+)/g, /(\/topics\/)([^/?\s]+)/g, /(\/v1\/cursors\/)([^/?\s]+)/g];

// streamOf is the first stream that a text names, or undefined.
export function streamOf(text) {
  const found = names.flatMap((pattern) => [...text.matchAll(pattern)]).sort((a, b) => a.index - b.index);
  return found[0]?.[2];
}

// renamed replaces the name of a stream in a text.
export function renamed(text, from, to) {
  return names.reduce((result, pattern) => result.replace(pattern, (whole, before, name) => (name === from ? before + to : whole)), text);
}
