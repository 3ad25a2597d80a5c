// The clients that are measured, in a page and in Node.js. Each follows the stream at a URL,
// hands every event to take, and returns how it is closed.

const sluice = (options) => ({ sluice }, url, take) => {
  const client = sluice.connect(url, options);
  client.subscribe("orders").on("event", take);
  return () => client.close();
};

const all = [
  sluice({ transports: ["websocket"], lines: true }),
  sluice({ transports: ["websocket"] }),
  sluice({ transports: ["sse"] }),
  (_, url, take) => {
    const source = new EventSource(url + "v1/streams/orders/events");
    source.onmessage = ({ data }) => take(JSON.parse(data));
    return () => source.close();
  },
  ({ centrifuge }, url, take) => {
    const client = new centrifuge.Centrifuge(url.replace("http", "ws") + "centrifuge", { websocket: WebSocket });
    const subscription = client.newSubscription("orders");
    subscription.on("publication", ({ data }) => take(data));
    subscription.subscribe();
    client.connect();
    return () => client.disconnect();
  },
];

/** first returns the milliseconds from the first call to the first event. */
export const first = (modules, which, url) =>
  new Promise((resolve) => {
    const start = performance.now();
    const close = all[which](modules, url, () => {
      resolve(performance.now() - start);
      queueMicrotask(() => close());
    });
  });

/** takes returns, when so many events have come, how many of them came after a later one. */
export const takes = (modules, which, url, total, step, after) =>
  new Promise((resolve) => {
    let count = 0;
    let newest = -1;
    let late = 0;
    const close = all[which](modules, url, ({ data }) => {
      if (data.n < newest) late++;
      else newest = data.n;
      if (++count % step === 0) after(count);
      if (count < total) return;
      close();
      resolve(late);
    });
  });

/** whole takes all events, and returns how many came in a second, the memory after each step, and how many came late. */
export const whole = async (modules, which, url, total, step, memory) => {
  const heap = [];
  const rates = [];
  let start = performance.now();
  const late = await takes(modules, which, url, total, step, (count) => {
    rates.push((step / (performance.now() - start)) * 1000);
    setTimeout(async () => {
      heap.push(await memory());
      start = performance.now();
      if (count < total) await fetch(url + "next");
    });
  });
  while (heap.length < total / step) await new Promise((resolve) => setTimeout(resolve, 10));
  rates.sort((a, b) => a - b);
  return { per_second: rates[rates.length >> 1], heap, late };
};
