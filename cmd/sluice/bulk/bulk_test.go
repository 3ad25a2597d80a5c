package bulk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"sluice/cmd/sluice/bulk"
	"sluice/transport/client"
)

// lineServer stores the values of batches, up to a size of the request, each id once, and
// answers each value as the value says.
type lineServer struct {
	most  int
	plain bool // it takes no message ids

	mu       sync.Mutex // a client that was cut off does not wait for the handler
	requests int
	stored   []string
	ids      map[string]int // offsets
	keys     []string
}

type sent struct {
	ID   string  `json:"message_id"`
	Key  *string `json:"key"`
	Data any     `json:"data"`
}

func (s *lineServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	body, _ := io.ReadAll(r.Body)
	var batch struct{ Records []sent }
	switch err := json.Unmarshal(body, &batch); {
	case len(body) > s.most:
		refuse(w, http.StatusRequestEntityTooLarge, "too_large")
		return
	case err != nil || bytes.Contains(body, []byte(`"malformed"`)):
		refuse(w, http.StatusBadRequest, "bad_request")
		return
	}
	var results []string
	lost := false
	for _, r := range batch.Records {
		result, status, code := s.store(r)
		if status != 0 {
			refuse(w, status, code)
			return
		}
		lost = lost || code == "lost"
		results = append(results, result)
	}
	if lost {
		panic(http.ErrAbortHandler)
	}
	_, _ = fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code":%q}`, code)
}

func (s *lineServer) store(r sent) (result string, status int, code string) {
	if s.plain && r.ID != "" {
		return `{"code":"bad_request"}`, 0, ""
	}
	if offset, ok := s.ids[r.ID]; ok && r.ID != "" {
		return fmt.Sprintf(`{"partition":1,"offset":%d,"duplicate":true}`, offset), 0, ""
	}
	text := fmt.Sprint(r.Data)
	switch text {
	case "away":
		return "", http.StatusServiceUnavailable, "draining"
	case "forbidden":
		return "", http.StatusForbidden, "forbidden"
	case "invalid", "publish_unknown":
		return `{"code":"` + text + `"}`, 0, ""
	}
	offset := len(s.stored)
	if s.ids == nil {
		s.ids = map[string]int{}
	}
	s.ids[r.ID] = offset
	s.stored = append(s.stored, text)
	if r.Key != nil {
		s.keys = append(s.keys, *r.Key)
	}
	if text == "lost" {
		code = "lost"
	}
	return fmt.Sprintf(`{"partition":1,"offset":%d}`, offset), 0, code
}

// publish runs lines through a server, and returns what is printed of them.
func publish(t *testing.T, s *lineServer, change func(*bulk.Config), file io.Reader) (out string, totals bulk.Totals, err error) {
	t.Helper()
	if s.most == 0 {
		s.most = 64 << 10
	}
	server := httptest.NewServer(s)
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, HTTPClient: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	config := bulk.Config{
		Publish: func(ctx context.Context, batch []client.Message) ([]client.Result, error) {
			return c.PublishBatch(ctx, "s", batch)
		},
		IDPrefix: "run", From: 1, AtOnce: 1, MaxRefused: -1,
		Report: func(outcomes []bulk.Outcome, _ bulk.Totals) error {
			for _, o := range outcomes {
				if o.Err == nil {
					fmt.Fprintf(&printed, "%d ", o.Line)
				} else {
					fmt.Fprintf(&printed, "%d-%s ", o.Line, map[bool]string{true: "maybe", false: "not"}[errors.Is(o.Err, client.ErrMaybeStored)])
				}
			}
			return nil
		},
		Retrying: func(int, error, time.Duration) {},
		Pause:    func(context.Context, time.Duration) bool { return true },
		Now:      time.Now,
	}
	if change != nil {
		change(&config)
	}
	totals, err = bulk.Run(t.Context(), config, file)
	return strings.TrimSpace(printed.String()), totals, err
}

func quoted(values ...string) string {
	return `"` + strings.Join(values, "\"\n\"") + `"` + "\n"
}

// TestLines: lines are stored in their order, whatever a request may hold; those that are
// refused are reported by their numbers, and the others go on.
func TestLines(t *testing.T) {
	t.Parallel()
	var many []string
	for n := range 3000 {
		many = append(many, fmt.Sprint("value ", n))
	}
	long := strings.Repeat("x", 70<<10)
	tests := map[string]struct {
		in, out  string
		most     int
		requests int // the most that there may be, 0 for any
		stored   []string
		line     int
		err      string
	}{
		"nothing":            {in: "\n\r\n", line: 2},
		"one, without end":   {in: `"a"`, out: "1", stored: []string{"a"}, line: 1},
		"ends of lines":      {in: "\"a\"\r\n\n\"b\"\n", out: "1 3", stored: []string{"a", "b"}, requests: 1, line: 3},
		"byte order mark":    {in: "\xef\xbb\xbf\"a\"\n\xef\xbb\xbf\"b\"\n", out: "1 2-not", stored: []string{"a"}, line: 2},
		"many":               {in: quoted(many...), stored: many, requests: 8, line: 3000},
		"small requests":     {in: quoted(many...), stored: many, most: 4000, line: 3000},
		"a long one":         {in: quoted("a", long, "b"), stored: []string{"a", long, "b"}, most: 80 << 10, line: 3},
		"too long for all":   {in: quoted("a", "b", long, "c"), out: "1 2 3-not 4", stored: []string{"a", "b", "c"}, most: 4000, line: 4},
		"not JSON":           {in: quoted("a", "b") + "{\n" + quoted("c"), out: "1 2 3-not 4", stored: []string{"a", "b", "c"}, line: 4},
		"a line without end": {in: "\"" + strings.Repeat("x", bulk.LineBytes), out: "1-not", line: 1},
		"a line too long":    {in: strings.Repeat("x", bulk.LineBytes+3) + "\n" + quoted("a"), out: "1-not 2", stored: []string{"a"}, line: 2},
		"refused":            {in: quoted("a", "invalid", "b", "invalid"), out: "1 2-not 3 4-not", stored: []string{"a", "b"}, line: 4},
		"one spoils all":     {in: quoted("a", "b", "malformed", "c"), out: "1 2 3-not 4", stored: []string{"a", "b", "c"}, line: 4},
		"lost":               {in: quoted("a", "lost", "b"), out: "1 2 3", stored: []string{"a", "lost", "b"}, line: 3},
		"forbidden":          {in: "\n" + quoted("forbidden", "a"), out: "2-not 3-not", line: 1, err: "forbidden"},
		"away":               {in: quoted("away", "a"), out: "1-not 2-not", line: 0, err: "draining"},
		"unknown":            {in: quoted("a", "publish_unknown", "b"), out: "1 2-maybe 3", stored: []string{"a", "b"}, line: 1, err: "publish_unknown"},
	}
	for name, tt := range tests {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"": func(r io.Reader) io.Reader { return r }, ", end with data": iotest.DataErrReader,
		} {
			t.Run(name+how, func(t *testing.T) {
				t.Parallel()
				server := &lineServer{most: tt.most}
				out, totals, err := publish(t, server, func(c *bulk.Config) {
					if name != "lost" {
						c.RetryFor = 0
					} else {
						c.RetryFor = time.Hour
					}
				}, reader(strings.NewReader(tt.in)))
				if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				if tt.out != "" && out != tt.out {
					t.Errorf("got %s, want %s", out, tt.out)
				}
				if totals.Line != tt.line {
					t.Errorf("it is known of the lines up to %d, want %d", totals.Line, tt.line)
				}
				if totals.Read != int64(len(tt.in)) && tt.err == "" {
					t.Errorf("%d bytes are done, of %d", totals.Read, len(tt.in))
				}
				server.mu.Lock()
				defer server.mu.Unlock()
				if got, want := strings.Join(server.stored, "\n"), strings.Join(tt.stored, "\n"); got != want {
					t.Errorf("stored %.100q (%d values), want %.100q (%d)", got, len(server.stored), want, len(tt.stored))
				}
				if tt.requests > 0 && how == "" && server.requests > tt.requests {
					t.Errorf("%d requests, want at most %d", server.requests, tt.requests)
				}
			})
		}
	}
}

// TestNothingTwice: whatever is lost on the way, with requests side by side, each line is stored
// once, and so it is when the run is begun again.
func TestNothingTwice(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	for n := range 5000 {
		fmt.Fprintln(&file, n)
	}
	server := &lineServer{}
	var mu sync.Mutex
	calls := 0
	unreliable := func(c *bulk.Config) {
		c.AtOnce, c.RetryFor, c.OwnIDs = 4, time.Hour, true
		whole := c.Publish
		c.Publish = func(ctx context.Context, batch []client.Message) ([]client.Result, error) {
			mu.Lock()
			calls++
			call := calls
			mu.Unlock()
			if call%3 == 1 {
				return nil, &client.Error{Code: "publish_unavailable", Retryable: true}
			}
			results, err := whole(ctx, batch)
			if call%3 == 2 && err == nil {
				// Half of the answers say what is stored, but that is lost.
				return nil, fmt.Errorf("the answer is lost: %w", errLost)
			}
			return results, err
		}
	}
	for run := range 2 {
		_, totals, err := publish(t, server, unreliable, strings.NewReader(file.String()))
		if err != nil {
			t.Fatal(err)
		}
		if totals.Stored+totals.Before != 5000 || totals.Retries == 0 || run == 1 && totals.Before != 5000 {
			t.Errorf("run %d: %+v", run, totals)
		}
	}
	if seen := slices.Compact(slices.Sorted(slices.Values(server.stored))); len(seen) != 5000 || len(server.stored) != 5000 {
		t.Errorf("%d values are stored, %d different ones", len(server.stored), len(seen))
	}
}

// errLost is what the client returns for a request with ids without an answer.
var errLost = lostAnswer()

func lostAnswer() error {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, HTTPClient: server.Client()})
	if err == nil {
		_, err = c.PublishBatch(context.Background(), "s", []client.Message{{ID: "a", Data: json.RawMessage("1")}})
	}
	return err
}

// TestRefusedAfterUnknown: a refusal says nothing of an attempt before, which may have stored
// the line.
func TestRefusedAfterUnknown(t *testing.T) {
	t.Parallel()
	calls := 0
	out, totals, err := publish(t, &lineServer{}, func(c *bulk.Config) {
		c.RetryFor = time.Hour
		c.Publish = func(context.Context, []client.Message) ([]client.Result, error) {
			if calls++; calls == 1 {
				return nil, errLost
			}
			return []client.Result{{Err: &client.Error{Code: "idempotency_conflict"}}}, nil
		}
	}, strings.NewReader("1\n"))
	if err != nil || out != "1-maybe" || totals.Unknown != 1 {
		t.Errorf("got %s, %+v, %v", out, totals, err)
	}
}

// TestStreamsWithoutIDs: such a stream is noticed, and what may be stored is not sent again.
func TestStreamsWithoutIDs(t *testing.T) {
	t.Parallel()
	server := &lineServer{plain: true}
	_, totals, err := publish(t, server, func(c *bulk.Config) { c.RetryFor = time.Hour }, strings.NewReader(quoted("a", "b")))
	if err != nil || !totals.WithoutIDs || totals.Stored != 2 {
		t.Errorf("got %+v, %v", totals, err)
	}
	out, totals, err := publish(t, &lineServer{plain: true}, func(c *bulk.Config) { c.OwnIDs = true }, strings.NewReader(quoted("a", "b")))
	if err != nil || totals.WithoutIDs || out != "1-not 2-not" {
		t.Errorf("with ids of the user: got %s, %+v, %v", out, totals, err)
	}
	lost := &lineServer{plain: true}
	out, _, err = publish(t, lost, func(c *bulk.Config) { c.RetryFor = time.Hour }, iotest.OneByteReader(strings.NewReader(quoted("a", "lost", "b"))))
	if err == nil || !strings.HasPrefix(out, "1 2-maybe") || len(lost.stored) != 2 {
		t.Errorf("got %s, %v, stored %v", out, err, lost.stored)
	}
}

// TestRecords: lines say their keys, headers and ids themselves.
func TestRecords(t *testing.T) {
	t.Parallel()
	server := &lineServer{}
	in := `{"type":"event","stream":"x","offset":3,"ts":1,"key":"k1","headers":[["h","v"],["b","/w==","base64"]],"message_id":"m","data":"a"}
{"message_id":"m","data":"a"}
{"key":"a2V5","key_encoding":"base64","data":"b"}
{"type":"gap","data":"c"}
{"redacted":true,"data":null}
{"undecrypted":["data"],"data":null}
{"key":"k"}
[]
{"headers":[["h"]],"data":1}
{"encoding":"rot13","data":"x"}
{"tombstone":true,"data":null}
`
	out, totals, err := publish(t, server, func(c *bulk.Config) { c.Form = bulk.Form{Records: true} }, iotest.OneByteReader(strings.NewReader(in)))
	if err != nil || out != "1 2 3 4-not 5-not 6-not 7-not 8-not 9-not 10-not 11" || totals.Before != 1 {
		t.Errorf("got %s, %+v, %v", out, totals, err)
	}
	if got := strings.Join(server.keys, " "); got != "k1 key" {
		t.Errorf("keys: %s", got)
	}
	fields := &lineServer{}
	out, _, err = publish(t, fields, func(c *bulk.Config) { c.Form = bulk.Form{KeyField: "c.id", IDField: "id"} },
		iotest.OneByteReader(strings.NewReader(`{"id":1,"c":{"id":"x"}}`+"\n"+`{"id":1,"c":{"id":"x"}}`+"\n"+`{"id":null,"c":{"id":"x"}}`+"\n"+`{"id":2}`+"\n")))
	if err != nil || out != "1 2 3-not 4-not" || len(fields.stored) != 1 || fields.keys[0] != "x" {
		t.Errorf("by fields: got %s, %v, stored %v with the keys %v", out, err, fields.stored, fields.keys)
	}
}

func TestMaxRefusedAndResume(t *testing.T) {
	t.Parallel()
	server := &lineServer{}
	out, _, err := publish(t, server, func(c *bulk.Config) { c.MaxRefused = 1 }, iotest.OneByteReader(strings.NewReader(quoted("invalid", "a", "invalid", "b"))))
	// The last line can be in the same batch.
	if !errors.Is(err, bulk.ErrRefused) || strings.TrimSuffix(out, " 4") != "1-not 2 3-not" {
		t.Errorf("got %s, %v", out, err)
	}
	out, _, err = publish(t, server, func(c *bulk.Config) { c.From = 4 }, strings.NewReader(quoted("invalid", "a", "invalid", "b")))
	if err != nil || out != "4" || server.ids["run-4"] == 0 {
		t.Errorf("got %s, %v, %v", out, err, server.ids)
	}
}

// TestLinesAreNotHeldBack: what has arrived is stored before more is waited for.
func TestLinesAreNotHeldBack(t *testing.T) {
	t.Parallel()
	in, write := io.Pipe()
	sent := make(chan int)
	ended := make(chan error)
	go func() {
		_, _, err := publish(t, &lineServer{}, func(c *bulk.Config) {
			c.Publish = func(_ context.Context, batch []client.Message) ([]client.Result, error) {
				sent <- len(batch)
				return make([]client.Result, len(batch)), nil
			}
		}, in)
		ended <- err
	}()
	for _, text := range []string{"1\n2\n", "3\n4", "\n"} {
		if _, err := io.WriteString(write, text); err != nil {
			t.Fatal(err)
		}
		if n, want := <-sent, strings.Count(text, "\n"); n != want {
			t.Errorf("after %q, %d values are sent", text, n)
		}
	}
	broken := errors.New("broken")
	_ = write.CloseWithError(broken)
	if err := <-ended; !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "line 5: ") {
		t.Errorf("it ended with %v", err)
	}
}

// TestQuota: a batch that a quota refuses is sent again after its time, and before the lines
// that follow, however long that takes.
func TestQuota(t *testing.T) {
	t.Parallel()
	var got []string
	var waited time.Duration
	_, _, err := publish(t, &lineServer{}, func(c *bulk.Config) {
		c.Publish = func(_ context.Context, batch []client.Message) ([]client.Result, error) {
			for _, m := range batch {
				got = append(got, string(m.Data))
			}
			if waited < 3*time.Second {
				return nil, fmt.Errorf("publish: %w", &client.Error{Status: http.StatusTooManyRequests, Code: "rate_limited", Retryable: true, RetryAfter: time.Second})
			}
			return make([]client.Result, len(batch)), nil
		}
		c.Pause = func(_ context.Context, d time.Duration) bool { waited += d; return true }
	}, iotest.OneByteReader(strings.NewReader("1\n2\n")))
	if text := strings.Join(got, ""); err != nil || !strings.HasPrefix(text, "11") || !strings.HasSuffix(text, "12") || strings.Count(text, "2") != 1 {
		t.Errorf("sent %s, %v", text, err)
	}
}

// TestInterrupted: what is sent is answered, and then the run ends.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	config := bulk.Config{
		IDPrefix: "run", From: 1, AtOnce: 1, MaxRefused: -1,
		Publish: func(ctx context.Context, batch []client.Message) ([]client.Result, error) {
			cancel()
			return make([]client.Result, len(batch)), ctx.Err()
		},
		Report:   func([]bulk.Outcome, bulk.Totals) error { return nil },
		Retrying: func(int, error, time.Duration) {},
		Pause:    func(context.Context, time.Duration) bool { return false },
		Now:      time.Now,
	}
	totals, err := bulk.Run(ctx, config, iotest.OneByteReader(strings.NewReader("1\n2\n")))
	if !errors.Is(err, context.Canceled) || totals.Stored != 1 || totals.Line != 1 {
		t.Errorf("got %+v, %v", totals, err)
	}
}
