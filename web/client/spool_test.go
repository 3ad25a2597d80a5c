package client_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// forgetful is a proxy before the server, which loses every third answer.
func (w *world) forgetful() string {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), r.Method, fmt.Sprintf("http://%s%s", w.address.Load(), r.URL.RequestURI()), r.Body)
		if err != nil {
			w.t.Error(err)
			return
		}
		request.Header = r.Header.Clone()
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			cut(rw)
			return
		}
		defer func() { _ = response.Body.Close() }()
		if asked.Add(1)%3 == 0 {
			cut(rw)
			return
		}
		rw.WriteHeader(response.StatusCode)
		_, _ = io.Copy(rw, response.Body)
	}))
	w.t.Cleanup(proxy.Close)
	return proxy.URL
}

// reading is a record of testdata/spool.py.
type reading struct {
	Run, N int
}

// readings returns all readings that are stored, those of a partition in their order, once there are so
// many of them: what is stored is read a moment later.
func (w *world) readings(least int) (all []reading) {
	ends := time.Now().Add(soon)
	for from := "earliest"; ; {
		var page struct {
			Records []struct{ Data reading }
			Cursor  string
			Caught  bool `json:"caught_up"`
		}
		response, err := http.Get(fmt.Sprintf("http://%s/v1/streams/readings/records?limit=1000&from=%s", w.address.Load(), from)) //nolint:noctx // a test's own server
		if err != nil {
			w.t.Fatal(err)
		}
		err = json.NewDecoder(response.Body).Decode(&page)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			w.t.Fatalf("read: %d, %v", response.StatusCode, err)
		}
		for _, r := range page.Records {
			all = append(all, r.Data)
		}
		if page.Caught && (len(all) >= least || time.Now().After(ends)) {
			return all
		}
		if page.Caught {
			time.Sleep(20 * time.Millisecond)
		}
		from = page.Cursor
	}
}

// TestSpoolSurvivesKills: a device is killed in the middle several times, answers are lost,
// and each reading that was put into the spool is stored once, those of a key in their order.
func TestSpoolSurvivesKills(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "http://127.0.0.1")
	url, spool := w.forgetful(), filepath.Join(t.TempDir(), "spool.db")
	const runs, killedAfter, last = 5, 60, 50
	put := make([]int, runs)
	for run := range runs {
		count := 1000
		if run == runs-1 {
			count = last
		}
		cmd, errs := python(t, "testdata/spool.py", url, spool, fmt.Sprint(run), fmt.Sprint(count))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		flushed := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "put "):
				put[run]++
			case line == "flushed":
				flushed = true
			default:
				t.Errorf("it printed %s", line)
			}
			if run < runs-1 && put[run] == killedAfter+7*run {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		if flushed != (run == runs-1) {
			t.Fatalf("run %d, flushed: %t, %s", run, flushed, errs)
		}
	}
	stored := map[reading]int{}
	latest := map[string]reading{} // by key
	confirmed := 0
	for _, n := range put {
		confirmed += n
	}
	for _, r := range w.readings(confirmed) {
		stored[r]++
		if r.N%3 == 0 {
			continue // without a key there is no order
		}
		key := fmt.Sprint(r.N % 5)
		if before := latest[key]; before.Run > r.Run || before.Run == r.Run && before.N > r.N {
			t.Errorf("%v is stored after %v", r, before)
		}
		latest[key] = r
	}
	for r, times := range stored {
		if times != 1 {
			t.Errorf("%v is stored %d times", r, times)
		}
	}
	for run, n := range put {
		for n := range n {
			if stored[reading{run, n}] == 0 {
				t.Errorf("%v is lost", reading{run, n})
			}
		}
	}
	t.Logf("put %v, stored %d", put, len(stored))
}

// TestSpoolThatCannotBeOpened: the error names the file, and says so where another spool has it.
func TestSpoolThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	cmd, errs := python(t, "-c", `
import sqlite3, sys, sluice
client = sluice.Client("http://127.0.0.1:1")
def fault(path):
    try:
        client.spool(path)
    except sqlite3.Error as error:
        return str(error)
held = client.spool(sys.argv[1] + "/held")
print(fault(sys.argv[1] + "/held"))
print(fault(sys.argv[1] + "/no/folder"))
held.close()
client.spool(sys.argv[1] + "/held").close()
`, t.TempDir())
	out, err := cmd.Output()
	lines := strings.Split(string(out), "\n")
	if err != nil || len(lines) != 3 || !strings.Contains(lines[0], "/held: database is locked: another spool has it open, ") ||
		!strings.Contains(lines[1], "/no/folder: unable to open database file") {
		t.Errorf("%v: %s%s", err, out, errs)
	}
}

// TestSpoolTellsWhatBecomesOfRecords: refusals, dead letters, what is tried again, in the
// order of the keys, and a bound.
func TestSpoolTellsWhatBecomesOfRecords(t *testing.T) {
	t.Parallel()
	record := func(n float64, key any) object {
		return object{"key": key, "data": n, "message_id": fmt.Sprintf("m%v", n)}
	}
	post := func(status int, answer any, records ...any) connection {
		return connection{
			Request: object{"method": "POST", "path": "/v1/streams/orders/records", "body": object{"records": records}},
			Status:  status, Answer: answer,
		}
	}
	results := func(all ...object) object { return object{"failed": 1, "results": all} }
	later := object{"code": "publish_unavailable", "retryable": true, "action": "resume", "retry_after_ms": 10}
	muchLater := object{"code": "rate_limited", "retryable": true, "action": "resume", "retry_after_ms": 10000} // than what follows takes
	unknown := object{"code": "publish_unknown", "retryable": true, "action": "resume"}
	invalid := object{"code": "invalid", "detail": "-", "retryable": false, "action": "stop"}
	s := newScripted(t, conformance{Connections: []connection{
		// All of it is refused: for now, with a token that is not good, without an answer that is the server's.
		post(http.StatusServiceUnavailable, later, record(0, "a"), record(2, "b"), record(3, "c"), record(4, nil)),
		post(http.StatusUnauthorized, object{"code": "unauthenticated", "retryable": false, "action": "stop"}, record(0, "a"), record(2, "b"), record(3, "c"), record(4, nil)),
		post(http.StatusOK, object{"welcome": "to the hotel"}, record(0, "a"), record(2, "b"), record(3, "c"), record(4, nil)),
		post(http.StatusForbidden, "the portal of the hotel", record(0, "a"), record(2, "b"), record(3, "c"), record(4, nil)),
		// One is at fault, so that each is sent by itself.
		post(http.StatusBadRequest, invalid, record(0, "a"), record(2, "b"), record(3, "c"), record(4, nil)),
		post(http.StatusOK, results(muchLater), record(0, "a")),
		post(http.StatusUnprocessableEntity, invalid, record(2, "b")),
		post(http.StatusOK, results(object{"code": "dead_lettered", "retryable": false, "action": "stop"}), record(3, "c")),
		post(http.StatusOK, results(object{"partition": 0, "offset": 4}), record(4, nil)),
		// The first of its key comes before the second, however long that takes.
		post(http.StatusOK, results(unknown), record(0, "a")),
		post(http.StatusOK, results(object{"partition": 0, "offset": 5, "duplicate": true}), record(0, "a")),
		post(http.StatusOK, results(object{"partition": 0, "offset": 6}), record(1, "a")),
	}})
	cmd, errs := python(t, "testdata/refusals.py", s.URL, filepath.Join(t.TempDir(), "spool.db"))
	start := time.Now()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	const want = "the spool is full: 5 records in 216 bytes\nm2 refused invalid\nm3 refused dead_lettered\nm4 stored 0 4\nm0 stored 0 5\nm1 stored 0 6\nflushed\n"
	if string(out) != want || errs.Len() > 0 {
		t.Errorf("after %v it printed\n%s%s, want\n%s", time.Since(start), out, errs, want)
	}
	faults, left := s.done()
	if len(faults) > 0 || left > 0 {
		t.Errorf("faults %q, and %d requests were not made", faults, left)
	}
}
