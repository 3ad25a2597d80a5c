package client_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"
)

// runner runs a case in Node.js: its arguments are the server's address and the case.
const runner = `
import { run } from "./run.js";
import * as client from "./client/sluice.js";
console.log(JSON.stringify(await run(client, process.argv[2], JSON.parse(process.argv[3]))));
`

// check compares what a client has handed on with a case, and what it did with the
// dialogue.
func (s *scripted) check(t *testing.T, c conformance, items []byte) {
	t.Helper()
	var got []any
	if err := json.Unmarshal(items, &got); err != nil {
		t.Fatalf("%v: %s", err, items)
	}
	if !reflect.DeepEqual(got, c.Items) {
		want, _ := json.Marshal(c.Items)
		t.Errorf("the client handed on\n%s, want\n%s", items, want)
	}
	faults, left := s.done()
	for _, fault := range faults {
		t.Error(fault)
	}
	if left > 0 {
		t.Errorf("%d connections were not made", left)
	}
}

// TestConformanceInNode runs all cases with Node.js.
func TestConformanceInNode(t *testing.T) {
	t.Parallel()
	node := program(t, "node")
	dir := t.TempDir()
	unpack(t, filepath.Join(dir, "client"))
	script, err := os.ReadFile("conformance/run.js")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "package.json", `{"type":"module"}`)
	write(t, dir, "run.js", string(script))
	write(t, dir, "main.js", runner)
	for _, c := range cases(t) {
		t.Run(c.file+" "+c.Name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t, c)
			// Node.js 20 has no WebSocket unless it is asked for one.
			cmd := exec.CommandContext(t.Context(), node, "--experimental-websocket", "--no-warnings", "main.js", s.URL, string(c.raw))
			cmd.Dir = dir
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, errs.String())
			}
			s.check(t, c, out)
		})
	}
}
