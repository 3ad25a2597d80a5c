// Making elements. The page's policy forbids markup in strings, so that nothing that comes
// from a stream can ever become an element.

export const $ = (id) => document.getElementById(id);

// el makes an element: el("button", { type: "button", class: "quiet", onclick: f }, "Copy").
// A property that is undefined or false is left out; one that begins with "on" is a handler.
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [property, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (property.startsWith("on")) element.addEventListener(property.slice(2), value);
    else element.setAttribute(property, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

// fromTemplate clones the template of index.html with a name.
export const fromTemplate = (name) => $(`template-${name}`).content.cloneNode(true);

// copyButton sets what a button copies, and says on it whether that was possible.
export function copyButton(button, text) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not possible";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
