// A ring buffer that grows: both ends and every place in it are reached in constant time.

export class Ring {
  slots = new Array(64);
  start = 0;
  length = 0;

  at(i) {
    return this.slots[(this.start + i) & (this.slots.length - 1)];
  }

  first() {
    return this.length ? this.at(0) : undefined;
  }

  last() {
    return this.length ? this.at(this.length - 1) : undefined;
  }

  push(value) {
    if (this.length === this.slots.length) this.grow();
    this.slots[(this.start + this.length++) & (this.slots.length - 1)] = value;
  }

  unshift(value) {
    if (this.length === this.slots.length) this.grow();
    this.start = (this.start - 1) & (this.slots.length - 1);
    this.slots[this.start] = value;
    this.length++;
  }

  shift() {
    const value = this.slots[this.start];
    this.slots[this.start] = undefined;
    this.start = (this.start + 1) & (this.slots.length - 1);
    this.length--;
    return value;
  }

  clear() {
    this.slots = new Array(64);
    this.start = this.length = 0;
  }

  // The length is a power of two, so that a place is found by a mask.
  grow() {
    const grown = new Array(this.slots.length * 2);
    for (let i = 0; i < this.length; i++) grown[i] = this.at(i);
    this.slots = grown;
    this.start = 0;
  }
}
