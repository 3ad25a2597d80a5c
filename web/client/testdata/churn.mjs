// Opens and leaves thousands of subscriptions in every way; its arguments are the client and the server.

const [, , module, url] = process.argv;
const { connect } = await import(module);
const faults = [];
process.on("unhandledRejection", (error) => faults.push(String(error)));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const chance = (n) => Math.floor(Math.random() * n);
const expected = new Set(["enough", "AbortError"]);

const leave = async (client, transport) => {
  const abort = new AbortController();
  const slow = () => sleep(chance(4));
  const store = { getItem: async () => void (await slow()), setItem: slow };
  const options = { key: "k" + chance(5), signal: abort.signal, ...(chance(2) && { store }) };
  const subscription = client.subscribe("orders", options);
  setTimeout(() => (chance(2) ? abort.abort(new Error("enough")) : subscription.close()), chance(30));
  const publishing = client.publish("orders", { data: 1 }, { signal: abort.signal, timeout: 50 });
  publishing.catch((error) => error.message === "enough" || error.code === "publish_unknown" || faults.push("publish " + error));
  let left = chance(4);
  try {
    if (chance(4)) {
      for await (const { offset } of subscription) {
        if (offset < 5) faults.push(offset);
        if (!left--) break;
      }
    } else await sleep(chance(20));
  } catch (error) {
    if (error.message !== "enough") faults.push(transport + " " + error);
  }
  await publishing.catch(() => {});
  while (subscription.state !== "closed") await sleep(1);
};

for (const transports of [["websocket"], ["sse"], ["websocket", "sse", "pages"]]) {
  for (let n = 0; n < 10; n++) {
    const client = connect(url, { transports, backoff: { min: 1, max: 5 }, token: async () => (await sleep(chance(3)), "t") });
    await Promise.all(Array.from({ length: 60 }, () => leave(client, transports[0])));
    await sleep(10); // for stores that have not answered
    if (client.sources.length) faults.push("feeds are left");
    if (chance(2)) client.close();
  }
}
console.log(JSON.stringify(faults.slice(0, 5)));
// With nothing left, the process ends by itself.
