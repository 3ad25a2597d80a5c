// Numbers, times and names for people.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const precise = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

// What stands where there is no value.
export const none = "–";

const known = (n) => typeof n === "number" && Number.isFinite(n);

export const count = (n) => (known(n) ? whole.format(n) : none);

// amount is a count that may be a fraction, such as a rate.
export const amount = (n) => (!known(n) ? none : Math.abs(n) >= 10000 ? short.format(n) : Math.abs(n) >= 100 ? whole.format(n) : precise.format(n));

export const perSecond = (n) => (known(n) ? `${amount(n)}/s` : none);

export function bytes(n) {
  if (!known(n)) return none;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; Math.abs(n) >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit === 0 ? whole.format(n) : precise.format(n)} ${units[unit]}`;
}

export const bytesPerSecond = (n) => (known(n) ? `${bytes(n)}/s` : none);

// seconds is a measured time.
export function seconds(n) {
  if (!known(n)) return none;
  if (n === 0) return "0 s";
  if (n < 0.001) return `${precise.format(n * 1e6)} µs`;
  return n < 1 ? `${precise.format(n * 1000)} ms` : `${precise.format(n)} s`;
}

// span is a time in ms for which something lasts, in its two largest units.
export function span(ms) {
  if (!known(ms)) return none;
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// clock is the time of day, and moment has the date, too.
const times = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
export const clock = (ms) => (known(ms) ? times.format(ms) : none);
export const moment = (ms) => (known(ms) ? moments.format(ms) : none);

// Characters that change how what stands beside them is shown, or that are not seen.
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;

// How much of a name is shown; a client may have chosen it.
const nameLength = 200;

// plain makes a text that somebody else has chosen fit to stand in a line: hidden characters
// and those that change the direction are spelled out, and what is too long is cut.
export function plain(text, length = nameLength) {
  const characters = [...String(text).slice(0, 2 * length + 2)];
  const cut = characters.length > length;
  return characters.slice(0, length).join("").replace(hidden, (c) => `\\u{${c.codePointAt(0).toString(16)}}`) + (cut ? "…" : "");
}
