package client_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// typed uses all of the client; each line that ends in a comment "wrong" must be refused.
const typed = `
import { connect, SluiceError, version, type Event, type Gap, type Subscription } from "sluice-client";

import { connect as share } from "sluice-client/tabs";
import { useStream } from "sluice-client/react";
import { useStream as useVueStream } from "sluice-client/vue";
import { streamStore } from "sluice-client/svelte";
import { fromStream } from "sluice-client/rxjs";
import { SluiceStream } from "sluice-client/element";

interface Order { total: number }

const sluice = connect("https://sluice.example.com", { token: async () => "…", transports: ["sse"], backoff: { max: 1000 } });
const abort = new AbortController();
const orders: Subscription<Order> = sluice.subscribe<Order>("orders", {
  key: ["a", "b"], filter: "data.total > 100", from: new Date(), "header.kind": "order", cursor_name: "web-7", store: localStorage, signal: abort.signal,
});
const off: () => void = orders.on("gap", (gap: Gap) => console.log(gap.reason, gap.from ?? 0));
orders.on("state", ({ state, retryIn }) => console.log(state === "live", retryIn));
orders.on("error", (error) => console.log(error.code, error.retryable, error.errors?.[0]?.pointer));
for await (const event of orders) {
  const e: Event<Order> = event;
  console.log(e.data.total, e.partition, e.offset, version);
  console.log(e.data.price); // wrong
  const acked: string = await orders.ack();
  console.log(acked, orders.cursor);
}
off();
const { partition, offset, duplicate } = await sluice.publish("chat.lobby", { key: "me", data: { text: "hello" } }, { signal: abort.signal });
const { failed, results } = await sluice.publish("chat.lobby", [{ data: 1 }, { tombstone: true }]);
console.log(partition, offset, duplicate, failed, results.length);
for await (const page of sluice.pages<Order>("orders", { from: "earliest", limit: 10 })) console.log(page.records[0]?.data.total, page.caught_up);
console.log(await sluice.request<{ streams: unknown[] }>("GET", "v1/streams"));
if (new Error() instanceof SluiceError) sluice.close();
sluice.on("state", ({ transport }) => console.log(transport === "sse"));
connect({}); // wrong
const shared = share("https://sluice.example.com", { group: "u42" });
console.log(useStream<Order>(shared, null).events[0]?.data.total, useVueStream(shared, () => "orders", { limit: 3 }).value.state);
streamStore<Order>(shared, "orders", { key: "k" }).subscribe((view) => console.log(view.last?.data.total));
fromStream<Order>(shared, "orders", { onGap: (gap) => console.log(gap.reason) }).subscribe((event) => console.log(event.data.total));
new SluiceStream().token = () => "t";
useStream(shared, "orders", { limit: "3" }); // wrong
orders.on("nothing", () => {}); // wrong
sluice.subscribe("orders", { on_gap: "stop" }); // wrong
sluice.publish("chat.lobby", { messageID: "1" }); // wrong
`

// TestTypes compiles a program with all checks of TypeScript.
func TestTypes(t *testing.T) {
	t.Parallel()
	dir := project(t)
	write(t, dir, "package.json", `{"type":"module"}`)
	write(t, dir, "typed.ts", typed)
	write(t, dir, "tsconfig.json", `{"compilerOptions":{"strict":true,"noEmit":true,"target":"es2022","module":"nodenext","lib":["es2023","dom","dom.asynciterable"],"types":[],"skipLibCheck":true,"exactOptionalPropertyTypes":true,"noUncheckedIndexedAccess":true},"files":["typed.ts"]}`)
	out, err := exec.CommandContext(t.Context(), program(t, "node"), filepath.Join(dir, "node_modules", "typescript", "bin", "tsc"), "--strict", "-p", dir).CombinedOutput()
	want := map[string]bool{}
	for i, line := range strings.Split(typed, "\n") {
		if strings.HasSuffix(line, "// wrong") {
			want[strconv.Itoa(i+1)] = true
		}
	}
	for _, fault := range regexp.MustCompile(`(?m)^.*typed\.ts\((\d+),.*$|^.*error TS.*$`).FindAllStringSubmatch(string(out), -1) {
		if !want[fault[1]] {
			t.Errorf("%s", fault[0])
		}
		delete(want, fault[1])
	}
	if len(want) > 0 || err == nil {
		t.Errorf("lines %v are accepted (%v):\n%s", want, err, out)
	}
}
