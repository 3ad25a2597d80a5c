// Lists that change while somebody reads them.

// put sets a text if it differs, so that a selection in it stays as long as it can.
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// keyed returns a function that shows items as the children of an element. An item is known
// by its key(item, place); make(item) returns an object with its element and update(item). The elements
// of items that stay are neither made anew nor moved unless the order has changed, so that
// they keep the focus, the selection, and their place.
export function keyed(parent, key, make) {
  const shown = new Map();
  return (items) => {
    const wanted = new Set(items.map(key));
    for (const [k, row] of shown) {
      if (wanted.has(k)) continue;
      row.element.remove();
      shown.delete(k);
    }
    items.forEach((item, place) => {
      const k = key(item, place);
      if (!shown.has(k)) shown.set(k, make(item));
      const row = shown.get(k);
      row.update(item);
      if (parent.children[place] !== row.element) parent.insertBefore(row.element, parent.children[place] ?? null);
    });
  };
}
