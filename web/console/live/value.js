// A record's value for people: JSON with its digits, text, or bytes in hexadecimal.

import { members } from "../shared/raw.js";
import { show } from "../shared/json.js";

// How many bytes of a value are written out, and how many characters of one that is text or JSON:
// more than that takes the browser seconds to lay out.
const mostBytes = 4096;
const mostText = 64 << 10;

// showValue fills an element with the value of a record's text, and returns what kind it is.
export function showValue(text, into) {
  const raw = members(text);
  if (raw.tombstone) return plain(into, "null", "tombstone: the key was deleted");
  if (raw.redacted) return plain(into, "null", "withheld from you");
  const encoding = raw.encoding && JSON.parse(raw.encoding);
  if (encoding === "base64") {
    const bytes = fromBase64(JSON.parse(raw.data));
    const cut = bytes.length > mostBytes ? `, of which the first ${mostBytes.toLocaleString()} are shown` : "";
    return plain(into, dump(bytes.subarray(0, mostBytes)), `${bytes.length.toLocaleString()} bytes${cut}`);
  }
  if (encoding === "text") return clipped(into, JSON.parse(raw.data), "text");
  if (raw.data?.length > mostText) return clipped(into, raw.data, "JSON");
  show(raw.data ?? "", into);
  const undecrypted = raw.undecrypted ? `, not decrypted: ${JSON.parse(raw.undecrypted).join(", ")}` : "";
  return `JSON${undecrypted}`;
}

function plain(into, text, kind) {
  into.replaceChildren(text);
  return kind;
}

// clipped shows the beginning of a text. Copy has it all.
function clipped(into, text, kind) {
  if (text.length <= mostText) return plain(into, text, kind);
  const cut = `${text.length.toLocaleString()} characters, of which the first ${mostText.toLocaleString()} are shown`;
  return plain(into, text.slice(0, mostText), `${kind}, ${cut}`);
}

// brief is the beginning of a text that may be of any length, such as a key.
export const brief = (text, most = mostBytes) =>
  (text.length > most ? `${text.slice(0, most)} … ${(text.length - most).toLocaleString()} more characters` : text);

export const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// dump writes bytes as lines of sixteen, with what of them is printable ASCII.
export function dump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = Array.from(bytes.subarray(at, at + 16));
    const hex = line.map((b) => b.toString(16).padStart(2, "0"));
    const text = line.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${[...hex.slice(0, 8), "", ...hex.slice(8)].join(" ").padEnd(48)}  ${text}`);
  }
  return lines.join("\n");
}
