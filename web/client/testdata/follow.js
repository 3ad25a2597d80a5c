// Follows the stream orders by each transport, and says of each record which one it came by: its
// argument is the server's address.

import { connect } from "./client/sluice.js";

for (const transports of [["websocket"], ["sse", "pages"], ["pages"]]) {
  const sluice = connect(process.argv[2], { backoff: { min: 50, max: 500 }, transports });
  let by;
  sluice.on("state", ({ transport }) => (by = transport));
  const subscription = sluice.subscribe("orders", { from: "earliest" });
  subscription.on("gap", (gap) => console.log(JSON.stringify({ transports, gap })));
  const follow = async () => {
    for await (const { partition, offset, data } of subscription) console.log(JSON.stringify({ transports, by, partition, offset, n: data.n }));
  };
  follow().catch((error) => console.log(JSON.stringify({ transports, error: String(error) })));
}
