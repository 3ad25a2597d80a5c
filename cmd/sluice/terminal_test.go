package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/cmd/sluice/measure"
)

// sluice runs a command against a server of dev, and returns what it prints and its exit code.
func sluice(t *testing.T, address, in string, args ...string) (out, errs string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sluice", args...)
	cmd.Env = append(os.Environ(), "SLUICE_SERVER=http://"+address, "NO_COLOR=")
	cmd.Stdin = strings.NewReader(in)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case failed:
		code = exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return o.String(), e.String(), code
}

// TestTerminal: tail, publish and bench as people use them, with the server of dev.
func TestTerminal(t *testing.T) {
	t.Parallel()
	address := startDev(t)

	t.Run("publish lines and tail them", func(t *testing.T) {
		in := `{"id":"a1","who":{"id":"k1"},"text":"one"}` + "\n" + `{"id":"a2","who":{"id":"k2"},"text":"two\tthree"}` + "\nno JSON\n"
		out, errs, code := sluice(t, address, in, "publish", "market.ticks", "--key-field", ".who.id", "--id-field", "id")
		if code != exitIncomplete || !regexp.MustCompile(`^\d+:\d+\n\d+:\d+\n-\n$`).MatchString(out) ||
			!strings.Contains(errs, "line 3 is not stored: the value is not JSON: ") || !strings.Contains(errs, "incomplete: 2 stored, 1 refused") {
			t.Errorf("got %d: %s%s", code, out, errs)
		}
		again, errs, code := sluice(t, address, in, "publish", "market.ticks", "--key-field", ".who.id", "--id-field", "id")
		if code != exitIncomplete || again != out || !strings.Contains(errs, "2 stored before") {
			t.Errorf("again: got %d: %s%s", code, again, errs)
		}
		if _, errs, code := sluice(t, address, "no JSON\n", "publish", "market.ticks"); code != exitIncomplete || !strings.Contains(errs, "incomplete: 0 stored, 1 refused\n") {
			t.Errorf("nothing stored: got %d: %s", code, errs)
		}
		if _, errs, code := sluice(t, address, "", "tail", "market.ticks", "--follow-name", "mine"); code != exitFailed || !strings.Contains(errs, "forbidden: ") || !strings.Contains(errs, "--token-file") {
			t.Errorf("a position of nobody: got %d: %s", code, errs)
		}
		place := strings.SplitN(strings.SplitN(out, "\n", 3)[1], ":", 2)
		from := "offset:" + place[0] + ":" + place[1]
		out, errs, code = sluice(t, address, "", "tail", "market.ticks", "--from", from, "--key", "k2", "-n", "1", "--fields", ".key,.data.text,partition,.headers.trace")
		if code != exitOK || out != "k2\ttwo\\tthree\t"+place[0]+"\t-\n" || errs != "" {
			t.Errorf("fields: got %d: %q %s", code, out, errs)
		}
		out, _, _ = sluice(t, address, "", "tail", "market.ticks", "--from", from, "--key", "k2", "-n", "1", "--fields", ".data.text", "-r")
		if out != "two\tthree\n" {
			t.Errorf("raw: got %q", out)
		}
		out, _, _ = sluice(t, address, "", "tail", "market.ticks", "--from", from, "--key", "k2", "-n", "1", "--json")
		page := get(t.Context(), t, "http://"+address+"/v1/streams/market.ticks/records?limit=1&key=k2&from="+from)
		body, _ := io.ReadAll(page.Body)
		_ = page.Body.Close()
		// A filtered subscription of a WebSocket names its feed.
		event := regexp.MustCompile(`"feed":"[^"]*",`).ReplaceAllString(strings.TrimSpace(out), "")
		if !strings.Contains(string(body), event) || !strings.HasPrefix(out, `{"type":"event",`) {
			t.Errorf("--json prints %s, and the server says %s", out, body)
		}
		out, _, _ = sluice(t, address, "", "tail", "market.ticks", "--from", from, "--key", "k2", "-n", "1", "--color", "always")
		if !strings.HasPrefix(out, "{\x1b[34m\"stream\"\x1b[0m:") {
			t.Errorf("in colours: got %q", out)
		}
	})

	t.Run("copy a stream", func(t *testing.T) {
		events, _, _ := sluice(t, address, "", "tail", "market.ticks", "--from", "last:3", "-n", "3", "--json")
		out, errs, code := sluice(t, address, events, "publish", "wiki.edits", "--records", "--quiet")
		if code != exitOK || out != "" || errs != "" {
			t.Errorf("got %d: %s%s", code, out, errs)
		}
	})

	t.Run("tail until it is interrupted", func(t *testing.T) {
		r := launch(t, t.TempDir(), []string{"SLUICE_SERVER=http://" + address}, "sluice", "tail", "market.ticks", "--from", "last:1")
		r.until(regexp.MustCompile(`"stream":"market.ticks"`))
		r.stop()
		if got := r.log.String(); !regexp.MustCompile(`^sluice: \d+ records? \(.*\) in .*, .* a second; 0 gaps\n$`).MatchString(got) {
			t.Errorf("it says %q", got)
		}
	})

	t.Run("tail into a pipe that ends", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", `sluice tail market.ticks --from earliest | head -n 1; exit ${PIPESTATUS[0]}`)
		cmd.Env = append(os.Environ(), "SLUICE_SERVER=http://"+address)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Count(string(out), "\n") != 1 {
			t.Errorf("got %v: %s", err, out)
		}
		// Without a record, nothing is written.
		quiet := exec.CommandContext(t.Context(), "bash", "-c", `sluice tail chat.rejected | true; exit ${PIPESTATUS[0]}`)
		quiet.Env = cmd.Env
		if out, err := quiet.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("got %v: %s", err, out)
		}
	})

	t.Run("bench", func(t *testing.T) {
		for _, transport := range measure.Transports {
			out, errs, code := sluice(t, address, "", "bench", "http://"+address, "--stream", "wiki.edits", "--clients", "20", "--rate", "20", "--duration", "2s",
				"--transport", transport, "--json", "--patience", "30s")
			var report measure.Report
			if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitOK {
				t.Fatalf("%s: %d, %v: %s%s", transport, code, err, out, errs)
			}
			p := report.Published
			if report.Connected != 20 || p == nil || p.Stored != 40 || report.Latency.Count != 800 || report.Missing != 0 || report.Repeated != 0 ||
				report.Records < 800 || report.Bytes < 800*100 || report.Connect.Count != 20 || report.RecordAge.Count != report.Records-800 {
				t.Errorf("%s: %s", transport, out)
			}
		}
		out, errs, code := sluice(t, address, "", "bench", "--stream", "made.up", "--clients", "2", "--duration", "1s")
		if code != exitFailed || !strings.Contains(out, "2 times unknown_stream: the stream does not exist") ||
			!strings.Contains(errs, "no client could subscribe: unknown_stream: the stream does not exist: sluice streams lists the streams ") {
			t.Errorf("got %d: %s%s", code, out, errs)
		}
		out, errs, code = sluice(t, address, "", "bench", "--stream", "iot.telemetry", "--clients", "1", "--rate", "2", "--duration", "1s")
		if code != exitIncomplete || !regexp.MustCompile(`\d times publish: dead_lettered: .*"temp_c"`).MatchString(out) {
			t.Errorf("got %d: %s%s", code, out, errs)
		}
	})
}

// TestBenchCountsWhatIsMissing: records that clients do not get, and connections that they lose and
// have again, are in the result and in the exit code.
func TestBenchCountsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]string{
		"quiet": "10 missing, 0 repeated, 0 gaps, 0 lost connections",
		"short": "0 missing, 0 repeated, 0 gaps, 2 lost connections\nback       2 times, after p50 ",
	} {
		var asked atomic.Int64
		both := make(chan struct{}) // closed once both clients are there
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				_, _ = io.WriteString(w, `{"partition":0,"offset":0,"ts":1}`)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: sluice.ready\ndata: {\"type\":\"ready\"}\n\n")
			_ = http.NewResponseController(w).Flush()
			number := asked.Add(1)
			if number == 2 {
				close(both)
			}
			if number > 2 || strings.Contains(r.URL.Path, "quiet") {
				<-r.Context().Done()
				return
			}
			select { // each client is cut off once
			case <-both:
			case <-r.Context().Done():
			}
		}))
		out, errs, code := sluice(t, server.Listener.Addr().String(), "", "bench", "--stream", stream, "--clients", "2", "--rate", "1", "--duration", "5s",
			"--transport", "sse", "--patience", "0s")
		server.Close()
		if code != exitIncomplete || !strings.Contains(out, want) {
			t.Errorf("%s: got %d: %s%s", stream, code, out, errs)
		}
	}
}

// TestPublishWaitsForAnAnswerForATime: a server that does not answer holds nobody for ever.
func TestPublishWaitsForAnAnswerForATime(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer server.Close()
	address := server.Listener.Addr().String()
	for _, args := range [][]string{{"1"}, {"--retry-for", "0s"}} {
		out, errs, code := sluice(t, address, "1\n2\n", append([]string{"publish", "s", "--timeout", "1s"}, args...)...)
		if code != exitFailed || !strings.Contains(errs, "may be stored") || !strings.Contains(errs, "deadline exceeded") {
			t.Errorf("%v: got %d: %s%s", args, code, out, errs)
		}
	}
	if _, errs, code := sluice(t, address, "", "publish", "s", "1", "--timeout", "0s"); code != exitUsage {
		t.Errorf("got %d: %s", code, errs)
	}
}
