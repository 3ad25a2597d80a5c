package client_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/bench/stack"
)

// python returns a command for a program in Python that uses the client, and its errors.
func python(t *testing.T, file string, args ...string) (cmd *exec.Cmd, errs *bytes.Buffer) {
	t.Helper()
	interpreter, err := stack.PythonLibraries(t.Context())
	stack.Check(t, err)
	client, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), interpreter, append([]string{"-B", "-u", file}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+client)
	errs = &bytes.Buffer{}
	cmd.Stderr = errs
	return cmd, errs
}

// TestPythonIsInstalled: pip installs the client from its folder, in which it leaves nothing.
func TestPythonIsInstalled(t *testing.T) {
	t.Parallel()
	before, err := os.ReadDir("python")
	if err != nil {
		t.Fatal(err)
	}
	place := t.TempDir()
	// What builds the package is there already.
	cmd, errs := python(t, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-build-isolation", "--target", place, "./python")
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	after, err := os.ReadDir("python")
	if err != nil || len(after) != len(before) {
		t.Errorf("the folder has %v (%v)", after, err)
	}
	cmd, errs = python(t, "-c", "import importlib.metadata, sluice; print(sluice.__file__, sluice.__version__ == importlib.metadata.version('sluice-client'))")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+place)
	if out, err := cmd.Output(); err != nil || string(out) != filepath.Join(place, "sluice.py")+" True\n" {
		t.Errorf("%v: %s%s", err, out, errs)
	}
}

// TestPythonKnowsURLs: what is no URL of a server is refused at once, and not tried for ever like a
// server that is away.
func TestPythonKnowsURLs(t *testing.T) {
	t.Parallel()
	cmd, errs := python(t, "-c", `
import sluice
for url in ("http://127.0.0.1:8080", "https://sluice.example.com/", "http://[::1]:8080/at"):
    sluice.Client(url)
for url in ("127.0.0.1:8080", "localhost:8080", "ws://localhost:8080", "http://", "", "/"):
    try:
        sluice.Client(url)
    except ValueError as error:
        assert "http:// or https://" in str(error), error
    else:
        raise AssertionError(url)
`)
	if out, err := cmd.Output(); err != nil {
		t.Errorf("%v: %s%s", err, out, errs)
	}
}

// inPython says whether a case is for a transport of the Python client.
func inPython(c conformance) bool { return c.Transport != "pages" }

// TestConformanceInPython runs the cases for its transports with the Python client.
func TestConformanceInPython(t *testing.T) {
	t.Parallel()
	for _, c := range cases(t) {
		if !inPython(c) {
			continue
		}
		t.Run(c.file+" "+c.Name, func(t *testing.T) {
			t.Parallel()
			s := newScripted(t, c)
			cmd, errs := python(t, "conformance/run.py", s.URL, string(c.raw))
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, errs.String())
			}
			s.check(t, c, out)
			if errs.Len() > 0 {
				t.Errorf("it printed %s", errs)
			}
		})
	}
}

// TestPythonFollowsNoRedirect: the token goes to no other server.
func TestPythonFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server was asked") }))
	defer other.Close()
	portal := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer portal.Close()
	cmd, errs := python(t, "-c", `
import sluice, sys
client = sluice.Client(sys.argv[1], token="t1", backoff=(0.01, 0.01))
try:
    client.publish("orders", {"data": 1}, timeout=0.1)
except sluice.SluiceError as fault:
    print(fault.code, fault.retryable)
errors = []
for event in client.subscribe("orders", notify=lambda m: errors.append(m) or len(errors) == 2 and sys.exit()):
    pass
`, portal.URL)
	out, err := cmd.Output()
	if err != nil || string(out) != "publish_unknown True\n" {
		t.Errorf("%v: %s%s", err, out, errs)
	}
}

// TestPythonAsksForOneTokenAtATime: a function that does not answer is not asked again until it has.
func TestPythonAsksForOneTokenAtATime(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"partition":0,"offset":%d}`, len(bearer(r)))
	}))
	defer server.Close()
	cmd, errs := python(t, "-c", `
import sluice, sys, threading
sluice.TOKEN = 0.01
asked, gate = [], threading.Event()
def token():
    asked.append(1)
    gate.wait()
    return "token"
client = sluice.Client(sys.argv[1], token=token)
for _ in range(20):
    try:
        client.publish("orders", {"data": 1}, timeout=0)
    except sluice.SluiceError:
        pass
print(len(asked), threading.active_count())
sluice.TOKEN = 20
gate.set()
print(client.publish("orders", {"data": 1})["offset"], len(asked))
`, server.URL)
	out, err := cmd.Output()
	if err != nil || string(out) != "1 2\n5 1\n" {
		t.Errorf("%v: %s%s", err, out, errs)
	}
}

// TestUnknownPublishIsAskedAboutToTheEnd: the answer may be there by then, however long the wait
// that the server has asked for.
func TestUnknownPublishIsAskedAboutToTheEnd(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*testing.T, string) *exec.Cmd{
		"python": func(t *testing.T, url string) *exec.Cmd {
			cmd, _ := python(t, "-c", "import sys, sluice\nprint(sluice.Client(sys.argv[1]).publish('orders', {'data': 1}, timeout=5)['offset'])", url)
			return cmd
		},
		"javascript": func(t *testing.T, url string) *exec.Cmd {
			file, err := filepath.Abs("dist/sluice.js")
			if err != nil {
				t.Fatal(err)
			}
			return exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", `
				const { connect } = await import(process.argv[1]);
				console.log((await connect(process.argv[2]).publish("orders", { data: 1 }, { timeout: 5000 })).offset);`, file, url)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if asked.Add(1) > 1 {
					_, _ = fmt.Fprint(w, `{"partition":0,"offset":5,"ts":1}`)
					return
				}
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusGatewayTimeout)
				_, _ = fmt.Fprint(w, `{"title":"-","status":504,"detail":"-","code":"publish_unknown","retryable":true,"action":"resume","retry_after_ms":60000}`)
			}))
			defer server.Close()
			if out, err := run(t, server.URL).Output(); err != nil || string(out) != "5\n" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestConformanceIsListed: README.md of the cases says how many each client passes.
func TestConformanceIsListed(t *testing.T) {
	t.Parallel()
	all, ofReactNative, ofPython := map[string]int{}, map[string]int{}, map[string]int{}
	for _, c := range cases(t) {
		for _, name := range []string{"`" + c.file + "`", "in all"} {
			all[name]++
			if inReactNative(c) {
				ofReactNative[name]++
			}
			if inPython(c) {
				ofPython[name]++
			}
		}
	}
	text, err := os.ReadFile("conformance/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, count := range all {
		if row := fmt.Sprintf("| %s | %d | %d | %d |\n", name, count, ofReactNative[name], ofPython[name]); !strings.Contains(string(text), row) {
			t.Errorf("conformance/README.md does not have the row %s", row)
		}
	}
}
