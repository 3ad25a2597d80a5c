// Slots: the places of a value, by JSON Pointer (RFC 6901), that a form gets and sets.

export const escaped = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");

// member is the slot of a member of an object, which comes to be with its first member.
export const member = (slot, key) => ({
  pointer: `${slot.pointer}/${escaped(key)}`,
  get: () => { const whole = slot.get(); return whole instanceof Map ? whole.get(key) : undefined; },
  set: (value) => {
    let whole = slot.get();
    if (value === undefined) {
      if (whole instanceof Map) whole.delete(key);
      return;
    }
    if (!(whole instanceof Map)) slot.set((whole = new Map()));
    whole.set(key, value);
  },
});

export const item = (slot, i) => ({
  pointer: `${slot.pointer}/${i}`,
  get: () => slot.get()?.[i],
  // An item that is left empty is none, but others keep their places.
  set: (value) => { slot.get()[i] = value ?? null; },
});
