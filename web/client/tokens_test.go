package client_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// tokens is a program in which a function for tokens never answers, throws, and then returns
// a token. Time passes a thousand times as fast.
const tokens = `
import assert from "node:assert/strict";
import { connect } from "./client/sluice.js";

const { setTimeout: wait } = globalThis;
globalThis.setTimeout = (f, ms) => wait(f, ms / 1000);
const answers = [() => new Promise(() => {}), () => { throw new Error("no user"); }, async () => "t"];
const sent = [];
const sluice = connect("http://127.0.0.1/", {
  token: () => answers.shift()(),
  fetch: async (url, { headers }) => {
    sent.push(headers.Authorization);
    return new Response("{}");
  },
});
await assert.rejects(sluice.request("GET", "v1/streams"), { code: "connection_lost", retryable: true });
await assert.rejects(sluice.request("GET", "v1/streams"), { message: "no user" });
await sluice.request("GET", "v1/streams");
await sluice.request("GET", "v1/streams"); // with the same token
assert.deepEqual(sent, ["Bearer t", "Bearer t"]);
sluice.close();
`

// TestTokensThatDoNotCome: a function that never answers does not keep the client from asking
// again, and the process ends when the client is closed.
func TestTokensThatDoNotCome(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unpack(t, filepath.Join(dir, "client"))
	write(t, dir, "package.json", `{"type":"module"}`)
	write(t, dir, "main.js", tokens)
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "main.js")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
