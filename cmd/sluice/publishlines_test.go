package main

import (
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

	"sluice/transport/client"
)

// lineServer stores the values of batches, up to a size of the request, and answers each
// value as the value says.
type lineServer struct {
	most int

	mu       sync.Mutex // a client that was cut off does not wait for the handler
	requests int
	stored   []string
}

func (s *lineServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	body, _ := io.ReadAll(r.Body)
	if len(body) > s.most {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, `{"code":"too_large"}`)
		return
	}
	var batch struct {
		Records []struct {
			Data string `json:"data"`
		} `json:"records"`
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var results []string
	for _, r := range batch.Records {
		switch r.Data {
		case "away":
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":"draining"}`)
			return
		case "lost":
			panic(http.ErrAbortHandler)
		case "invalid", "publish_unknown":
			results = append(results, `{"code":"`+r.Data+`"}`)
		default:
			results = append(results, fmt.Sprintf(`{"partition":1,"offset":%d}`, len(s.stored)))
			s.stored = append(s.stored, r.Data)
		}
	}
	_, _ = fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
}

func quoted(values ...string) string {
	return `"` + strings.Join(values, "\"\n\"") + `"` + "\n"
}

// TestPublishingLines: lines are stored in their order, whatever a request may hold; the
// first that is not is reported by its number, with what has become of those sent with it.
func TestPublishingLines(t *testing.T) {
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
		err      string
	}{
		"nothing":            {in: "\n\r\n"},
		"one, without end":   {in: `"a"`, out: "1:0\n", stored: []string{"a"}},
		"ends of lines":      {in: "\"a\"\r\n\n\"b\"\n", out: "1:0\n1:1\n", stored: []string{"a", "b"}, requests: 1},
		"many":               {in: quoted(many...), stored: many, requests: 8},
		"small requests":     {in: quoted(many...), stored: many, most: 4000},
		"a long one":         {in: quoted("a", long, "b"), stored: []string{"a", long, "b"}, most: 80 << 10},
		"too long for all":   {in: quoted("a", "b", long, "c"), out: "1:0\n1:1\n", stored: []string{"a", "b"}, most: 4000, err: "line 3: the value is not stored: "},
		"not JSON":           {in: quoted("a", "b") + "{\n" + quoted("c"), out: "1:0\n1:1\n", stored: []string{"a", "b"}, err: "line 3: the value is not JSON"},
		"a line without end": {in: "\"" + strings.Repeat("x", lineBytes), err: "line 1: the line is longer than 8388608 bytes"},
		"refused": {
			in: quoted("a", "invalid", "b", "publish_unknown", "invalid"), out: "1:0\n-\n1:1\n-\n-\n", stored: []string{"a", "b"},
			err: "line 2: the value is not stored: invalid; of the 3 values sent with it up to line 5, 1 are stored, 1 are not, 1 may be",
		},
		"unknown": {in: quoted("a", "publish_unknown"), out: "1:0\n-\n", stored: []string{"a"}, err: "line 2: the value may be stored: "},
		"away":    {in: "\n" + quoted("away", "a", "b"), err: "line 2: the value is not stored, nor any other up to line 4: "},
		"lost":    {in: quoted("a", "b", "lost"), stored: []string{"a", "b"}, err: "line 1: the value may be stored, and so may any other up to line 3: "},
	}
	for name, tt := range tests {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"": func(r io.Reader) io.Reader { return r }, ", by byte": iotest.OneByteReader, ", end with data": iotest.DataErrReader,
		} {
			if how == ", by byte" && (len(tt.in) > 100_000 || len(tt.stored) > 10 || tt.err != "") {
				continue // it is sent in other batches
			}
			t.Run(name+how, func(t *testing.T) {
				t.Parallel()
				fake := &lineServer{most: tt.most}
				if fake.most == 0 {
					fake.most = 64 << 10
				}
				server := httptest.NewServer(fake)
				defer server.Close()
				c, err := client.New(client.Config{URL: server.URL, HTTPClient: server.Client()})
				if err != nil {
					t.Fatal(err)
				}
				var out strings.Builder
				all := &lines{
					pause:   func(time.Duration) { t.Error("it waits") },
					publish: func(batch []client.Message) ([]client.Result, error) { return c.PublishBatch(t.Context(), "s", batch) },
					message: func(_ int, line []byte) (m client.Message, err error) { err = setValue(&m, line, false); return m, err },
					out:     &out,
				}
				err = all.from(reader(strings.NewReader(tt.in)))
				if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)) {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				if tt.out != "" && out.String() != tt.out {
					t.Errorf("printed %q, want %q", out.String(), tt.out)
				}
				fake.mu.Lock()
				defer fake.mu.Unlock()
				if got, want := strings.Join(fake.stored, "\n"), strings.Join(tt.stored, "\n"); got != want {
					t.Errorf("stored %.100q (%d values), want %.100q (%d)", got, len(fake.stored), want, len(tt.stored))
				}
				if tt.requests > 0 && how == "" && fake.requests > tt.requests {
					t.Errorf("%d requests, want at most %d", fake.requests, tt.requests)
				}
			})
		}
	}
}

// TestLinesAreNotHeldBack: what has arrived is stored before more is waited for.
func TestLinesAreNotHeldBack(t *testing.T) {
	t.Parallel()
	in, write := io.Pipe()
	sent := make(chan int)
	all := &lines{
		publish: func(batch []client.Message) ([]client.Result, error) {
			sent <- len(batch)
			return make([]client.Result, len(batch)), nil
		},
		message: func(_ int, line []byte) (client.Message, error) { return client.Message{Data: line}, nil },
		out:     io.Discard,
	}
	ended := make(chan error)
	go func() { ended <- all.from(in) }()
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

// TestLinesWaitForAQuota: a batch that a quota refuses is sent again after its time, and
// before the lines that follow.
func TestLinesWaitForAQuota(t *testing.T) {
	t.Parallel()
	var sent []string
	var waited time.Duration
	all := &lines{
		publish: func(batch []client.Message) ([]client.Result, error) {
			for _, m := range batch {
				sent = append(sent, string(m.Data))
			}
			if waited < 3*time.Second {
				return nil, fmt.Errorf("publish: %w", &client.Error{Status: http.StatusTooManyRequests, Code: "rate_limited", RetryAfter: time.Second})
			}
			return make([]client.Result, len(batch)), nil
		},
		message: func(_ int, line []byte) (client.Message, error) { return client.Message{Data: slices.Clone(line)}, nil },
		pause:   func(d time.Duration) { waited += d },
		out:     io.Discard,
	}
	if err := all.from(iotest.OneByteReader(strings.NewReader("1\n2\n"))); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(sent, ""); got != "11112" {
		t.Errorf("sent %s", got)
	}
}
