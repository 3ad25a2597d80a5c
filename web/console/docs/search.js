// The search in all documents. What is searched in is loaded when the field is first used.

import { $, el } from "../shared/dom.js";

const most = 20; // results that are shown
const around = 70; // characters of text on each side of a word that was found

// setUpSearch connects the field with the box of its results.
export function setUpSearch(field, box) {
  let loading = null;
  const load = () => {
    loading ??= fetch("search.json").then(async (response) => {
      if (!response.ok) throw new Error(`the server answers ${response.status}`);
      return (await response.json()).map(indexed);
    }).catch((error) => {
      loading = null; // the next word asks again
      throw error;
    });
    return loading;
  };
  const close = () => { box.hidden = true; };
  const links = () => [...box.querySelectorAll("a")];

  async function search() {
    const text = field.value;
    const words = wordsOf(text);
    if (!words.length) return close();
    let found;
    try {
      found = find(await load(), words);
    } catch (error) {
      found = [];
      say(`The search is not available: ${error.message}`);
      return undefined;
    }
    if (field.value !== text) return undefined; // more has been typed since
    say(found.length ? `${found.length} ${found.length === 1 ? "section" : "sections"}${found.length > most ? `, of which ${most} are shown` : ""}` : "Nothing was found.");
    $("found-list").replaceChildren(...found.slice(0, most).map(({ section }) => result(section, words)));
    return undefined;
  }

  function say(text) {
    box.hidden = false;
    $("found-count").textContent = text;
    $("found-list").replaceChildren();
  }

  // Arrow keys go through the results as through a list; Escape leads back to the field.
  function move(event) {
    const all = [field, ...links()];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: all[at + 1], ArrowUp: all[at - 1] }[event.key];
    if (event.key === "Escape") {
      close();
      field.focus();
    } else if (event.key === "Enter" && document.activeElement === field) {
      links()[0]?.click();
    } else if (to && !box.hidden) {
      to.focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  field.addEventListener("focus", () => load().catch(() => {}), { once: true });
  field.addEventListener("input", search);
  field.parentElement.addEventListener("keydown", move);
  field.parentElement.addEventListener("focusout", (event) => {
    if (!field.parentElement.contains(event.relatedTarget)) close();
  });
  box.addEventListener("click", (event) => event.target.closest("a") && close());
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(input|textarea|select)$/i.test(event.target.tagName)) return;
    event.preventDefault();
    field.focus();
  });
}

const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 8);

const indexed = (section) => ({
  section,
  title: section.title.toLowerCase(),
  heading: (section.heading ?? "").toLowerCase(),
  text: section.text.toLowerCase(),
});

// find returns the sections that contain all words, those with words in their headings first.
function find(sections, words) {
  const found = [];
  for (const candidate of sections) {
    let score = 0;
    const all = words.every((word) => {
      const counted = Math.min(5, candidate.text.split(word).length - 1);
      const gained = (candidate.heading.includes(word) ? 20 : 0) + (candidate.title.includes(word) ? 8 : 0) + counted;
      score += gained;
      return gained > 0;
    });
    if (all) found.push({ section: candidate.section, score });
  }
  return found.sort((a, b) => b.score - a.score);
}

function result({ page, title, heading, id, text }, words) {
  return el("li", {}, el("a", { href: id ? `${page}#${id}` : page },
    el("strong", {}, marked(heading ?? title, words)), heading ? el("small", {}, title) : null,
    el("span", {}, marked(excerpt(text, words), words))));
}

// excerpt is the text around the first word that is in it.
function excerpt(text, words) {
  const lower = text.toLowerCase();
  const at = Math.max(0, Math.min(...words.map((word) => lower.indexOf(word)).filter((i) => i >= 0), text.length) - around);
  const start = at === 0 || at >= text.length ? 0 : lower.indexOf(" ", at) + 1;
  const end = start + 2 * around;
  return `${start > 0 ? "… " : ""}${text.slice(start, end)}${text.length > end ? " …" : ""}`;
}

// marked returns a text with its words marked.
function marked(text, words) {
  const pattern = new RegExp(`(${words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|")})`, "gi");
  return text.split(pattern).map((part, i) => (i % 2 ? el("mark", {}, part) : part));
}
