// Events a second: the figure and the last minute as bars.

const seconds = 60;
const svg = "http://www.w3.org/2000/svg";

export class Chart {
  constructor(element, figure) {
    this.figure = figure;
    this.bars = Array.from({ length: seconds }, (_, i) => {
      const bar = document.createElementNS(svg, "rect");
      bar.setAttribute("x", i + 0.12);
      bar.setAttribute("width", 0.76);
      element.append(bar);
      return bar;
    });
    this.bars.at(-1).classList.add("now");
    this.reset();
  }

  reset() {
    this.counts = new Array(seconds).fill(0);
    this.second = Math.floor(Date.now() / 1000);
    this.began = this.second;
  }

  count(n) {
    this.advance();
    this.counts[seconds - 1] += n;
  }

  advance() {
    const now = Math.floor(Date.now() / 1000);
    const passed = Math.min(seconds, Math.max(0, now - this.second));
    for (let i = 0; i < passed; i++) {
      this.counts.shift();
      this.counts.push(0);
    }
    if (passed) this.second = now;
  }

  draw() {
    this.advance();
    const most = Math.max(1, ...this.counts);
    this.counts.forEach((n, i) => {
      const height = (n / most) * 19;
      this.bars[i].setAttribute("y", 20 - height);
      this.bars[i].setAttribute("height", height);
    });
    // The last whole seconds; the present one has only begun, and so had the
    // first.
    const whole = Math.min(3, Math.max(1, this.second - this.began - 1));
    const rate = this.counts.slice(-1 - whole, -1).reduce((a, b) => a + b, 0) / whole;
    this.figure.textContent = rate >= 10 || rate === 0 ? Math.round(rate).toLocaleString() : rate.toFixed(1);
  }
}
