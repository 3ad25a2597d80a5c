// The scale of a chart.

// How many lines there are above zero, at most.
const lines = 4;

// axisOf returns the end of the axis for values of up to top, and where its lines are: at
// round numbers, which of bytes are multiples of powers of two.
export function axisOf(top, scale) {
  const base = scale === "bytes" ? 1024 : 1000;
  if (!(top > 0)) return { top: 1, ticks: [0] };
  const power = base ** Math.floor(Math.log(top) / Math.log(base));
  const steps = scale === "bytes" ? [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] : [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
  const finer = scale === "bytes" ? [1 / 8, 1 / 4, 1 / 2] : [1 / 50, 1 / 20, 1 / 10, 1 / 5, 1 / 2];
  const step = [...finer, ...steps].find((s) => top / (s * power) <= lines) * power;
  const n = Math.ceil(top / step - 1e-9);
  return { top: n * step, ticks: Array.from({ length: n + 1 }, (_, i) => i * step) };
}
