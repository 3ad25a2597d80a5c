// What a token says, for people. It is only read here: the server alone knows whether it is
// true.

import { Digits, parse, print } from "../shared/value.js";

const longest = 64 << 10; // characters of a token that is taken apart
const mostClaims = 200;
const clipped = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);

const about = {
  iss: "issuer", sub: "subject", aud: "audience", exp: "expires", nbf: "not before", iat: "issued", jti: "id of the token",
  auth_time: "logged in", scope: "scope", client_id: "client", azp: "authorized party", typ: "type", alg: "algorithm", kid: "id of the key", cnf: "bound to a key",
};
const times = new Set(["exp", "nbf", "iat", "auth_time", "updated_at"]);

// decode returns the header and the payload of a JWT (RFC 7519) as lists of {name, about,
// text}, exp and nbf in milliseconds, and issuer, or throws why there are none.
export function decode(token) {
  if (token.length > longest) throw new Error("The token is too long to be taken apart here.");
  const parts = token.split(".");
  if (parts.length === 5) throw new Error("The token is encrypted (JWE): what it says can be read by the server only.");
  if (parts.length !== 3) throw new Error("This is not a JWT, which has three parts with dots between them.");
  const [header, payload] = parts.slice(0, 2).map(part);
  const ms = (name) => (payload.get(name) instanceof Digits ? Number(payload.get(name).text) * 1000 : undefined);
  const list = (members) => [...members].slice(0, mostClaims).map(([name, value]) => ({
    name: clipped(name, 100), about: Object.hasOwn(about, name) ? about[name] : "", text: readable(name, value),
  }));
  const issuer = payload.get("iss");
  return { header: list(header), payload: list(payload), expiresAt: ms("exp"), notBefore: ms("nbf"), issuer: typeof issuer === "string" ? clipped(issuer, 200) : undefined };
}

function part(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const members = parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (members instanceof Map) return members;
  } catch {
    // The same is said below.
  }
  throw new Error("This is not a JWT: a part of it is not an object of JSON in base64url.");
}

function readable(name, value) {
  const text = clipped(typeof value === "string" ? value : print(value), 1000);
  return times.has(name) && value instanceof Digits ? `${text} (${time(Number(value.text) * 1000)})` : text;
}

// refusal says in words why the server may refuse a token. The server tells nobody what is
// wrong with one, so that nobody can try; what the token says of itself tells its owner.
export function refusal(token, code) {
  if (code === "revoked") return "The token was revoked. Get another one, and paste it here.";
  let claims = {};
  try {
    claims = decode(token);
  } catch (fault) {
    return code === "token_expired" ? expired : `${fault.message} This server does not take it.`;
  }
  const { expiresAt, notBefore, issuer } = claims;
  if (code === "token_expired" || expiresAt < Date.now()) return expired;
  if (notBefore > Date.now()) return `The token is not valid yet: it begins to be at ${time(notBefore)}.`;
  return `The server does not take this token. Is ${issuer ? `${issuer} an issuer` : "what issued it"} that the server knows, is it for this server (aud), and was all of it copied?`;
}

const expired = "The token has expired. Get another one, and paste it here.";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

// time writes milliseconds for people.
export function time(ms) {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? format.format(ms) : "not a time";
}

// span writes how long something takes, such as 1 h 5 min.
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const parts = [];
  let rest = s;
  for (const [size, unit] of units) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n && parts.length < 2) parts.push(`${n.toLocaleString()} ${unit}`);
  }
  return parts.join(" ") || "0 s";
}
