package client_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// ledger is a server that stores each message id once, and loses some of its answers.
type ledger struct {
	t *testing.T

	mu     sync.Mutex
	stored map[string][]string // message ids by value
	order  []string            // values
	ids    map[string]bool
	asked  int
	// answers may answer a request itself, by its number.
	answers func(w http.ResponseWriter, asked, records int) (done bool)
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, stored: map[string][]string{}, ids: map[string]bool{}}
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Records []struct {
			ID   string `json:"message_id"`
			Data any
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return // it was killed while it sent
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.answers != nil && l.answers(w, l.asked, len(body.Records)) {
		return
	}
	results := make([]string, len(body.Records))
	for i, record := range body.Records {
		value := fmt.Sprint(record.Data)
		if !l.ids[record.ID] {
			l.ids[record.ID] = true
			l.stored[value] = append(l.stored[value], record.ID)
			l.order = append(l.order, value)
		}
		results[i] = fmt.Sprintf(`{"partition":0,"offset":%d}`, len(l.order))
	}
	if l.answers == nil && l.asked%5 == 0 {
		cut(w)
		return
	}
	_, _ = fmt.Fprintf(w, `{"failed":0,"results":[%s]}`, strings.Join(results, ","))
}

// TestSpoolSurvivesKillsAtEachLine: whatever line of the spool a kill comes at, what put has returned is
// stored once, and the next start goes on.
func TestSpoolSurvivesKillsAtEachLine(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	server := httptest.NewServer(l)
	defer server.Close()
	cmd, errs := python(t, "testdata/killed_spool.py", server.URL, filepath.Join(t.TempDir(), "spool.db"))
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%v: %s", err, errs)
	}
	var killed int
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(out)) {
		verb, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "put":
			if len(l.stored[what]) != 1 {
				t.Errorf("%s is stored %d times", what, len(l.stored[what]))
			}
		case "whole":
		case "killed":
			_, _ = fmt.Sscan(what, &killed)
		default:
			t.Errorf("it printed %s", line)
		}
	}
	for value, ids := range l.stored {
		if len(ids) != 1 {
			t.Errorf("%s is stored %d times", value, len(ids))
		}
	}
	if killed < 50 || !strings.HasSuffix(string(out), fmt.Sprintf("put 0.3.2\nwhole\nkilled %d\n", killed)) {
		t.Errorf("it was killed %d times, and at last it printed %s", killed, out[max(0, len(out)-100):])
	}
	t.Logf("killed %d times, %d records are stored", killed, len(l.stored))
}

// TestAFullDiskIsHeardOf: what the disk does not take is neither in the spool nor a stored position.
func TestAFullDiskIsHeardOf(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			l.ServeHTTP(w, r)
			return
		}
		for n := 5; n < 8; n++ {
			_, _ = fmt.Fprintf(w, "data: {\"type\":\"event\",\"stream\":\"orders\",\"partition\":0,\"offset\":%d,\"ts\":1,\"key\":null,\"data\":%d}\nid: v1.%d\n\n", n, n, n)
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	defer server.CloseClientConnections()
	dir := t.TempDir()
	cmd, errs := python(t, "testdata/full_disk.py", server.URL, filepath.Join(dir, "spool.db"), filepath.Join(dir, "position"))
	out, err := cmd.Output()
	const want = `count 0 0
flushed True 0 0 ['OperationalError', 'OperationalError', 'OperationalError']
the spool is closed
flushed True
6 ['position_not_stored'] False
close says so
True
5
next says so
6
`
	if err != nil || string(out) != want {
		t.Errorf("%v: it printed\n%s%s, want\n%s", err, out, errs, want)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked != 1 || len(l.ids) != 1 || l.ids[""] || len(l.stored["once"]) != 1 {
		t.Errorf("asked %d times, stored %v", l.asked, l.stored)
	}
}

// TestSpoolKeepsWhatHasNoAnswerOfTheServer: a portal or a proxy has stored nothing.
func TestSpoolKeepsWhatHasNoAnswerOfTheServer(t *testing.T) {
	t.Parallel()
	say := func(status int, text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		}
	}
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter)
		least  int // only requests with so many records are answered by it
	}{
		"places are missing":    {say(200, `{"results":[{},{},{}]}`), 1},
		"no objects":            {say(200, `{"results":[null,1,"x"]}`), 1},
		"no results":            {say(200, `{"results":"x"}`), 1},
		"a list":                {say(200, `[]`), 1},
		"null":                  {say(200, `null`), 1},
		"deep":                  {say(200, strings.Repeat("[", 200_000)), 1},
		"a page":                {say(200, `<html>`), 1},
		"a refusal, deep":       {say(403, strings.Repeat("[", 200_000)), 1},
		"a refusal, null":       {say(404, `null`), 1},
		"a proxy":               {say(502, `<html>`), 1},
		"a wait that is none":   {say(503, `{"code":"overloaded","retryable":true,"action":"resume","retry_after_ms":"soon"}`), 1},
		"too large for proxy":   {say(413, `<html>`), 2},
		"results without sense": {say(200, `{"results":[{"code":"rate_limited","retryable":true,"retry_after_ms":{}},{"code":"rate_limited","retryable":true},{"code":"rate_limited","retryable":true}]}`), 3},
		"endless": {func(w http.ResponseWriter) {
			for range 20 << 10 {
				if _, err := w.Write([]byte(strings.Repeat(" ", 1<<10))); err != nil {
					return
				}
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, garbage := newLedger(t), 0
			l.answers = func(w http.ResponseWriter, _, records int) bool {
				if garbage == 3 || records < test.least {
					return false
				}
				garbage++
				test.answer(w)
				return true
			}
			server := httptest.NewServer(l)
			defer server.Close()
			cmd, errs := python(t, "-c", `
import sluice, sys
sluice.Spool._run, run = lambda spool: None, sluice.Spool._run  # nothing is sent until all is there
spool = sluice.Client(sys.argv[1], backoff=(0.001, 0.01)).spool(sys.argv[2])
for n in range(3):
    spool.put("readings", {"data": n})
spool.close()
spool._db.close()
sluice.Spool._run = run
spool = sluice.Client(sys.argv[1], backoff=(0.001, 0.01)).spool(sys.argv[2], on_refused=lambda *what: print("refused", what[2].code))
print(spool.flush(120))
spool.close()`, server.URL, filepath.Join(t.TempDir(), "spool.db"))
			out, err := cmd.Output()
			if err != nil || string(out) != "True\n" || errs.Len() > 0 {
				t.Errorf("%v: it printed %s%s", err, out, errs)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(l.stored) != 3 || garbage == 0 {
				t.Errorf("stored %v, after %d answers", l.stored, garbage)
			}
		})
	}
}
