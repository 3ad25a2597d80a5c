// The server, as a principal: the token, what may be done with it, and requests.
//
// The token is kept in the memory of the page only, and is sent only in the header
// Authorization or in the first message of a WebSocket, never in an address.

import { connect } from "../../../sluice.js";
import { setState } from "./state.js";

// How often a server that does not answer is asked again, in ms.
const askEvery = 2000;

const anonymous = { principal: "", anonymous: true, admin: false, mint: false };

// Refused is an answer that is not a success, as a problem of the server (RFC 9457).
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.message ?? problem.title ?? `the server answers ${status}`);
    this.status = status;
    this.code = problem.code ?? String(status);
    this.errors = problem.errors ?? [];
    this.problem = problem;
  }
}

class Server {
  token = "";
  principal = anonymous;
  fault = null; // why the principal is not known
  handlers = new Map();

  // on calls a handler after "principal" has changed, until the returned function is called.
  on(type, handler) {
    if (!this.handlers.has(type)) this.handlers.set(type, new Set());
    this.handlers.get(type).add(handler);
    return () => this.handlers.get(type).delete(handler);
  }

  emit(type) {
    for (const handler of [...(this.handlers.get(type) ?? [])]) handler();
  }

  // use takes another token, "" for none.
  async use(token) {
    this.token = token;
    await this.identify();
  }

  // identify asks for whom the server takes the page, until it answers.
  async identify() {
    const { token } = this;
    const current = () => token === this.token;
    this.fault = null;
    try {
      const principal = await this.get("v1/principal");
      if (!current()) return; // another token has been given meanwhile
      this.principal = principal;
    } catch (error) {
      if (!current()) return;
      if (!(error instanceof Refused) || error.status >= 500) {
        setState("working", error instanceof Refused ? `The server answers ${error.status}` : "The server does not answer");
        setTimeout(() => current() && this.identify(), askEvery);
        return;
      }
      this.principal = anonymous;
      this.fault = error;
    }
    this.emit("principal");
  }

  // headers are those of every request.
  headers() {
    return this.token ? { authorization: `Bearer ${this.token}` } : {};
  }

  // fetch is the browser's, with the token.
  fetch(path, { headers, ...init } = {}) {
    return fetch(path, { ...init, headers: { ...this.headers(), ...headers } });
  }

  // request returns the JSON of an answer, or throws Refused. A body that is an object is
  // sent as JSON.
  async request(method, path, { body, headers, signal } = {}) {
    const isObject = body !== undefined && typeof body !== "string";
    const response = await this.fetch(path, {
      method, signal, body: isObject ? JSON.stringify(body) : body,
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    });
    const text = await response.text();
    let answer = {};
    try {
      answer = text ? JSON.parse(text) : {};
    } catch (fault) {
      if (response.ok) throw fault;
    }
    if (!response.ok) throw new Refused(response.status, answer);
    return answer;
  }

  get(path, signal) {
    return this.request("GET", path, { signal });
  }

  // streams are those that the principal may use, by name.
  async streams(signal) {
    const { streams } = await this.get("v1/streams", signal);
    return streams.sort((a, b) => (a.stream < b.stream ? -1 : 1));
  }

  // client returns a client of its own for a view, which closes it.
  client(options = {}) {
    return connect(new URL(".", document.baseURI), { ...(this.token ? { token: this.token } : {}), ...options });
  }
}

export const server = new Server();

export const streamPath = (stream, rest = "") => `v1/streams/${encodeURIComponent(stream)}${rest}`;

// explained says what was refused, and why, in a line.
export function explained(error) {
  if (!(error instanceof Refused)) return error.message;
  const places = error.errors.map((e) => `${e.pointer || "/"} ${e.message}`);
  return [`${error.code}: ${error.message}`, ...places].join(" · ");
}
