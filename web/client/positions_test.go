package client_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// positions reads a part of a stream, and then the next, three times: with a position in a
// store, with one at the server, and with one that it has kept itself.
const positions = `
import assert from "node:assert";
import { connect } from "./client/sluice.js";
const [, , url, token] = process.argv;
const first = async (sluice, options, count) => {
  const seen = [];
  const subscription = sluice.subscribe("private", options);
  await new Promise((resolve, reject) => {
    subscription.on("error", reject);
    subscription.on("event", ({ offset }) => {
      if (seen.push(offset) < count) return;
      resolve();
      subscription.close();
    });
  });
  return [seen, subscription];
};
for (const transports of [["websocket"], ["sse"], ["pages"]]) {
  const sluice = connect(url, { token, transports });
  const kept = new Map();
  const store = { getItem: async (name) => kept.get(name) ?? null, setItem: async (name, text) => void kept.set(name, text) };
  let [seen, subscription] = await first(sluice, { store, from: "earliest" }, 4);
  assert.deepEqual(seen, [0, 1, 2, 3]);
  assert.ok(![...kept].join().includes(token));
  [seen] = await first(sluice, { store, from: "earliest" }, 2);
  assert.deepEqual(seen, [4, 5]);
  [seen] = await first(sluice, { from: subscription.cursor }, 2);
  assert.deepEqual(seen, [4, 5]);

  const named = { cursor_name: "n-" + transports, from: "earliest" };
  const abort = new AbortController();
  subscription = sluice.subscribe("private", { ...named, signal: abort.signal });
  await assert.rejects(async () => {
    for await (const { offset } of subscription) {
      if (offset !== 2) continue;
      await subscription.ack();
      abort.abort(new Error("enough"));
    }
  }, /enough/);
  await assert.rejects(subscription.ack());
  [seen] = await first(sluice, named, 2);
  assert.deepEqual(seen, [3, 4]);
  assert.ok((await sluice.request("GET", "v1/cursors/private/" + named.cursor_name)).cursor.startsWith("v1."));

  const pages = [];
  for await (const { records, caught_up } of sluice.pages("private", { from: "earliest", limit: 3 })) pages.push([records.length, caught_up]);
  assert.deepEqual(pages.at(-1)[1], true);
  assert.ok(pages.length > 2 && pages[0][0] === 3);
  await assert.rejects(sluice.publish("made.up", { data: 1 }), { code: "unknown_stream", retryable: false });
  const { partition, offset } = await sluice.publish("private", { key: "k", data: { n: 1 }, message_id: "m-" + transports });
  const again = await sluice.publish("private", { key: "k", data: { n: 1 }, message_id: "m-" + transports });
  assert.deepEqual([again.partition, again.offset, again.duplicate], [partition, offset, true]);
  sluice.close();
}
console.log(JSON.stringify("all"));
`

// TestPositionsAreKept in Node.js, with each transport and a real server.
func TestPositionsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "https://app.example.com")
	for n := int64(0); n < 8; {
		stop := w.produce("private", 5*time.Millisecond)
		time.Sleep(200 * time.Millisecond)
		n += stop()
	}
	dir := t.TempDir()
	unpack(t, filepath.Join(dir, "client"))
	write(t, dir, "package.json", `{"type":"module"}`)
	write(t, dir, "main.js", positions)
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "--experimental-websocket", "--no-warnings", "main.js", "http://"+w.wire.Addr().String(), w.token(time.Hour))
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var all string
	if err != nil || json.Unmarshal(out, &all) != nil || all != "all" {
		t.Errorf("%v: %s%s", err, out, errs.String())
	}
}
