package client_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sluice/bench/stack"
)

// crowd runs all cases of a file at once: each has a server's address.
const crowd = `
import { run } from "./run.js";
import * as client from "./client/sluice.js";
const all = JSON.parse(process.argv[2]);
Promise.all(all.map(({ url, test }) => run(client, url, test))).then((items) => {
  console.log(JSON.stringify(items));
  process.exit(0);
});
`

// runtime is an environment of JavaScript beside Node.js and browsers.
type runtime struct {
	name string
	// command returns a command for a program of modules.
	command func(t *testing.T, main string, args ...string) *exec.Cmd
	// runs says whether a case is for this environment.
	runs func(conformance) bool
}

func installed(t *testing.T) stack.Runtimes {
	t.Helper()
	r, err := stack.JavaScriptRuntimes(t.Context())
	stack.Check(t, err)
	return r
}

var runtimes = []runtime{
	{
		name: "Deno",
		command: func(t *testing.T, main string, args ...string) *exec.Cmd {
			cmd := exec.CommandContext(t.Context(), installed(t).Deno, append([]string{"run", "--quiet", "--no-config", "--allow-net", main}, args...)...)
			cmd.Env = append(os.Environ(), "DENO_NO_UPDATE_CHECK=1", "DENO_DIR="+t.TempDir())
			return cmd
		},
		runs: func(conformance) bool { return true },
	},
	{
		name: "Bun",
		command: func(t *testing.T, main string, args ...string) *exec.Cmd {
			return exec.CommandContext(t.Context(), installed(t).Bun, append([]string{"run", main}, args...)...)
		},
		runs: func(conformance) bool { return true },
	},
	{
		name: "React Native",
		command: func(t *testing.T, main string, args ...string) *exec.Cmd {
			environment, err := filepath.Abs("testdata/reactnative.cjs")
			if err != nil {
				t.Fatal(err)
			}
			return exec.CommandContext(t.Context(), program(t, "node"), append([]string{environment, installed(t).Modules, main}, args...)...)
		},
		runs: inReactNative,
	},
}

// node is Node.js, where it has no WebSocket unless it is asked for one: before version 22.
var node = runtime{
	name: "Node.js",
	command: func(t *testing.T, main string, args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), program(t, "node"), append([]string{"--experimental-websocket", "--no-warnings", main}, args...)...)
	},
}

// inReactNative says whether a case is for React Native, whose fetch returns a response when it is whole.
func inReactNative(c conformance) bool {
	for _, connection := range c.Connections {
		if connection.Events != nil {
			return false
		}
	}
	return true
}

func TestConformanceInRuntimes(t *testing.T) {
	t.Parallel()
	for _, r := range runtimes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			unpack(t, filepath.Join(dir, "client"))
			script, err := os.ReadFile("conformance/run.js")
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, "run.js", string(script))
			write(t, dir, "main.js", crowd)
			type one struct {
				URL  string          `json:"url"`
				Test json.RawMessage `json:"test"`
			}
			var all []one
			var servers []*scripted
			var run []conformance
			for _, c := range cases(t) {
				if r.runs(c) {
					s := newScripted(t, c)
					run, servers, all = append(run, c), append(servers, s), append(all, one{s.URL, c.raw})
				}
			}
			text, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			cmd := r.command(t, "main.js", string(text))
			cmd.Dir = dir
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			var items []json.RawMessage
			if err != nil || json.Unmarshal(out, &items) != nil || len(items) != len(run) {
				t.Fatalf("%v: %.1000s%s", err, out, errs.Bytes()[max(0, errs.Len()-2000):])
			}
			for i, c := range run {
				t.Run(c.file+" "+c.Name, func(t *testing.T) { servers[i].check(t, c, items[i]) })
			}
		})
	}
}
