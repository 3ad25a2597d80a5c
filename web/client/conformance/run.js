// Runs a conformance case with the JavaScript client, and returns what it handed on.

const patience = 5000; // how long a case may be quiet
const grace = 100; // after the last item that is expected

export async function run({ connect }, base, test) {
  const tokens = [...(test.tokens ?? [])];
  const options = { backoff: { min: 1, max: 20 }, ...(test.transport !== "any" && { transports: [test.transport] }) };
  if (tokens.length) options.token = async () => tokens.shift() ?? "none left";
  const sluice = connect(base, options);
  const items = [];
  const publish = async () => {
    try {
      const { partition, offset } = await sluice.publish(test.publish.stream, test.publish.record);
      return { published: [partition, offset] };
    } catch ({ code, retryable }) {
      return { refused: [code, retryable] };
    }
  };
  if (!test.subscribe) {
    items.push(await publish());
    sluice.close();
    return items;
  }
  const { stream, ...reading } = test.subscribe;
  if (test.slow) reading.buffer = 400; // one event fits, and not two
  const subscription = sluice.subscribe(stream, reading);
  let quiet;
  await new Promise((resolve) => {
    const add = (item) => {
      items.push(item);
      clearTimeout(quiet);
      quiet = setTimeout(resolve, items.length < test.items.length ? patience : grace);
    };
    quiet = setTimeout(resolve, 3 * patience);
    const place = (m) => (stream.includes("*") ? [m.stream, m.partition] : [m.partition]);
    subscription.on("gap", (m) => add({ gap: m.reason === "resync" ? "resync" : [...place(m), m.from, m.to, m.reason] }));
    subscription.on("caughtup", async () => {
      add({ caught_up: true });
      if (test.publish) add(await publish());
    });
    (async () => {
      for await (const event of subscription) {
        add({ event: [...place(event), event.offset] });
        if (test.slow) await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })().catch(({ code }) => add({ end: code }));
  });
  sluice.close();
  return items;
}
