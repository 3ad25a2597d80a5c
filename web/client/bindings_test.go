package client_test

import (
	"fmt"
	"os/exec"
	"testing"
	"time"
)

// bindings runs each binding to a framework on a client that hands on what it is told.
const bindings = `
import assert from "node:assert";
import { createElement } from "react";
import TestRenderer, { act } from "react-test-renderer";
import { effectScope, nextTick, ref } from "vue";
import { get } from "svelte/store";
import { take, toArray } from "rxjs";
import { useStream } from "sluice-client/react";
import { useStream as useVueStream } from "sluice-client/vue";
import { streamStore } from "sluice-client/svelte";
import { fromStream } from "sluice-client/rxjs";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;

class Fake {
  open = [];
  subscribe(stream, options) {
    const handlers = {};
    const subscription = {
      stream, options,
      on: (type, handler) => void (handlers[type] = handler),
      tell: (type, value) => handlers[type]?.(value),
      close: () => void (this.open = this.open.filter((s) => s !== subscription)),
    };
    this.open.push(subscription);
    return subscription;
  }
  tell(type, value) { for (const s of this.open) s.tell(type, value); }
}
const frame = () => new Promise((resolve) => setTimeout(resolve, 120));
const event = (n) => ({ type: "event", data: { n } });

{
  const sluice = new Fake();
  const View = ({ stream }) => {
    const { events, state, gaps, last } = useStream(sluice, stream, { limit: 2, from: "last:2" });
    return createElement("p", null, [state, gaps, last?.data.n, ...events.map((e) => e.data.n)].join(" "));
  };
  let root;
  await act(async () => void (root = TestRenderer.create(createElement(View, { stream: "a" }))));
  assert.deepEqual(sluice.open.map((s) => [s.stream, s.options]), [["a", { from: "last:2" }]]);
  await act(async () => {
    for (const n of [1, 2, 3]) sluice.tell("event", event(n));
    sluice.tell("gap", {}); sluice.tell("state", { state: "live" });
    await frame();
  });
  assert.equal(root.toJSON().children.join(), "live 1 3 2 3");
  await act(async () => root.update(createElement(View, { stream: "b" })));
  assert.deepEqual(sluice.open.map((s) => s.stream), ["b"]);
  assert.equal(root.toJSON().children.join(), "connecting 0 ");
  await act(async () => root.unmount());
  assert.equal(sluice.open.length, 0);
}
{
  const sluice = new Fake();
  const stream = ref("a");
  const scope = effectScope();
  const view = scope.run(() => useVueStream(sluice, stream, { limit: 2 }));
  for (const n of [1, 2, 3]) sluice.tell("event", event(n));
  await frame();
  assert.deepEqual(view.value.events.map((e) => e.data.n), [2, 3]);
  stream.value = "b";
  await nextTick();
  assert.deepEqual(sluice.open.map((s) => s.stream), ["b"]);
  scope.stop();
  assert.equal(sluice.open.length, 0);
}
{
  const sluice = new Fake();
  const store = streamStore(sluice, "a", { limit: 2 });
  assert.equal(sluice.open.length, 0);
  const views = [];
  const stop = store.subscribe((view) => views.push(view));
  for (const n of [1, 2, 3]) sluice.tell("event", event(n));
  await frame();
  assert.deepEqual(views.at(-1).events.map((e) => e.data.n), [2, 3]);
  assert.equal(get(store).last.data.n, 3);
  stop();
  assert.equal(sluice.open.length, 0);
}
{
  const sluice = new Fake();
  const gaps = [];
  const all = fromStream(sluice, "a", { from: "earliest", onGap: (gap) => gaps.push(gap) });
  let got, failed;
  all.pipe(take(2), toArray()).subscribe((events) => (got = events.map((e) => e.data.n)));
  all.subscribe({ error: (error) => (failed = error.message) });
  assert.deepEqual(sluice.open.map((s) => s.options), [{ from: "earliest" }, { from: "earliest" }]);
  sluice.tell("gap", {});
  for (const n of [1, 2, 3]) sluice.tell("event", event(n));
  assert.deepEqual([got, gaps.length, sluice.open.length], [[1, 2], 2, 1]);
  sluice.tell("state", { state: "closed", error: new Error("forbidden") });
  assert.equal(failed, "forbidden");
}
console.log("all");
`

// TestBindings runs the bindings to React, Vue, Svelte and RxJS in these.
func TestBindings(t *testing.T) {
	t.Parallel()
	dir := project(t)
	write(t, dir, "bindings.mjs", bindings)
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "--preserve-symlinks", "--preserve-symlinks-main", "bindings.mjs")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || string(out[max(0, len(out)-4):]) != "all\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestElement shows a stream in a page without any script of its own.
func TestElement(t *testing.T) {
	t.Parallel()
	ctx, origin := browser(t, t.TempDir())
	w := newWorld(t, origin)
	defer w.produce("orders", 20*time.Millisecond)()
	evaluate(ctx, t, fmt.Sprintf(`
window.at = "http://%s";
document.body.innerHTML = '<sluice-stream src="' + at + '" stream="orders" from="earliest" limit="3"><template><p><b data-bind="data.n"></b> <i data-bind="key"></i></p></template></sluice-stream>';
window.element = document.querySelector("sluice-stream");
results.seen = 0;
element.addEventListener("sluice-event", ({detail}) => { results.seen++; results.last = detail.data.n; });
await import(at + "/sluice/element.js");
`, w.wire.Addr()))
	until(ctx, t, `results.seen > 10 && element.getAttribute("state") === "live"`)
	until(ctx, t, `element.querySelectorAll("p").length === 3 && /^\d+ k\d$/.test(element.querySelector("p").textContent)`)
	until(ctx, t, `element.querySelector("b").textContent === String(results.last)`)
	// Another key is another subscription, and an element that is removed has none.
	evaluate(ctx, t, `element.setAttribute("key", "k3")`)
	until(ctx, t, `element.querySelectorAll("i").length === 3 && [...element.querySelectorAll("i")].every((i) => i.textContent === "k3")`)
	evaluate(ctx, t, `element.remove()`)
	for deadline := time.Now().Add(soon); ; time.Sleep(50 * time.Millisecond) {
		now, _ := w.wire.sockets()
		if now == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there are still %d WebSockets", now)
		}
	}
}
