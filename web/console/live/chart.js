// Records a second: the figure and the last minute as bars.

const seconds = 60;
const svg = "http://www.w3.org/2000/svg";

// bars returns rectangles side by side in a picture.
export function bars(element, n) {
  return Array.from({ length: n }, (_, i) => {
    const bar = document.createElementNS(svg, "rect");
    bar.setAttribute("x", i + 0.12);
    bar.setAttribute("width", 0.76);
    element.append(bar);
    return bar;
  });
}

// setHeights draws bars that are at most as high as the picture.
export function setHeights(all, values, height) {
  const most = Math.max(1, ...values);
  all.forEach((bar, i) => {
    const h = (values[i] / most) * (height - 1);
    if (bar.drawn === h) return;
    bar.drawn = h;
    bar.setAttribute("y", height - h);
    bar.setAttribute("height", h);
  });
}

export class Chart {
  constructor(element, figure) {
    this.figure = figure;
    this.bars = bars(element, seconds);
    this.bars.at(-1).classList.add("now");
    this.reset();
  }

  reset() {
    this.counts = new Array(seconds).fill(0);
    this.second = Math.floor(Date.now() / 1000);
    this.began = this.second;
    this.waiting = 0;
  }

  // count is called for every record, so it only counts.
  count() {
    this.waiting++;
  }

  advance() {
    const now = Math.floor(Date.now() / 1000);
    const passed = Math.min(seconds, Math.max(0, now - this.second));
    for (let i = 0; i < passed; i++) {
      this.counts.shift();
      this.counts.push(0);
    }
    if (passed) this.second = now;
    this.counts[seconds - 1] += this.waiting;
    this.waiting = 0;
  }

  draw() {
    this.advance();
    setHeights(this.bars, this.counts, 20);
    // The last whole seconds; the present one has only begun, and so had the
    // first.
    const whole = Math.min(3, Math.max(1, this.second - this.began - 1));
    const rate = this.counts.slice(-1 - whole, -1).reduce((a, b) => a + b, 0) / whole;
    this.figure.textContent = rate >= 10 || rate === 0 ? Math.round(rate).toLocaleString() : rate.toFixed(1);
  }
}
