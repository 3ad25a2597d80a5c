package client_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// sharing has two equal subscriptions. One takes nothing until the other has everything.
const sharing = `
import { connect } from "./client/sluice.js";
const sluice = connect(process.argv[2], { backoff: { min: 1, max: 20 } });
const items = [];
const fast = sluice.subscribe("orders");
const slow = sluice.subscribe("orders", { buffer: 400 });
let all;
const whole = new Promise((resolve) => (all = resolve));
fast.on("event", ({ offset }) => {
  items.push({ fast: offset });
  if (offset === 8) all();
});
await whole;
for await (const { offset } of slow) {
  items.push({ slow: offset });
  if (offset === 8) break;
}
sluice.close();
console.log(JSON.stringify(items));
`

// TestEqualSubscriptionsShare: two equal subscriptions are one at the server, until one of
// them is slow: then that has one of its own, and the other goes on.
func TestEqualSubscriptionsShare(t *testing.T) {
	t.Parallel()
	c := conformance{}
	const text = `{"connections":[
		{"websocket":[{"client":{"type":"subscribe","id":"$a","from":null}},
			{"server":{"type":"subscribed","id":"$a","stream":"orders","feed":"orders","start":"latest","recovered":false,"cursor":"v1.a"}},
			{"server":{"type":"event","stream":"orders","partition":0,"offset":5,"ts":1,"key":"k","data":{}}},
			{"server":{"type":"event","stream":"orders","partition":0,"offset":6,"ts":1,"key":"k","data":{}}},
			{"server":{"type":"event","stream":"orders","partition":0,"offset":7,"ts":1,"key":"k","data":{}}},
			{"server":{"type":"event","stream":"orders","partition":0,"offset":8,"ts":1,"key":"k","data":{}}},
			{"stay":true}]},
		{"websocket":[{"client":{"type":"subscribe","id":"$b","from":"v1.a"}},
			{"server":{"type":"subscribed","id":"$b","stream":"orders","feed":"orders","start":"cursor","recovered":true,"cursor":"v1.a"}},
			{"server":{"type":"event","stream":"orders","partition":0,"offset":5,"ts":1,"key":"k","data":{}}},
			{"server":{"type":"event","stream":"orders","partition":0,"offset":6,"ts":1,"key":"k","data":{}}},
			{"server":{"type":"event","stream":"orders","partition":0,"offset":7,"ts":1,"key":"k","data":{}}},
			{"server":{"type":"event","stream":"orders","partition":0,"offset":8,"ts":1,"key":"k","data":{}}},
			{"stay":true}]}],
		"items":[{"fast":5},{"fast":6},{"fast":7},{"fast":8},{"slow":5},{"slow":6},{"slow":7},{"slow":8}]}`
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	s := newScripted(t, c)
	dir := t.TempDir()
	unpack(t, filepath.Join(dir, "client"))
	write(t, dir, "package.json", `{"type":"module"}`)
	write(t, dir, "main.js", sharing)
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "--experimental-websocket", "--no-warnings", "main.js", s.URL)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	s.check(t, c, out)
}
