package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/upstream"
	"sluice/transport"
)

// lineStream is a request whose body is written line by line while its answers are read.
type lineStream struct {
	t    testing.TB
	body io.WriteCloser
	// status is valid once the answer has begun.
	res     *http.Response
	answers *bufio.Reader
}

// lines begins to publish lines.
func (in *instance) lines(path, token string, header ...string) *lineStream {
	in.t.Helper()
	read, write := io.Pipe()
	req, err := http.NewRequestWithContext(in.t.Context(), http.MethodPost, in.url+path, read)
	if err != nil {
		in.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/x-ndjson")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := in.client.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { _ = write.Close(); _ = res.Body.Close() })
	return &lineStream{t: in.t, body: write, res: res, answers: bufio.NewReader(res.Body)}
}

func (s *lineStream) send(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.body, text); err != nil {
		s.t.Fatalf("send: %v", err)
	}
}

// next returns the next answer, nil at the end.
func (s *lineStream) next() message {
	s.t.Helper()
	line, err := s.answers.ReadBytes('\n')
	if err != nil {
		return nil
	}
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		s.t.Fatalf("%q: %v", line, err)
	}
	return m
}

// rest returns all further answers.
func (s *lineStream) rest() (all []message) {
	for m := s.next(); m != nil; m = s.next() {
		all = append(all, m)
	}
	return all
}

// answer is an answer in short.
func (m message) answer() string {
	if m.str("code") != "" {
		return strings.TrimSpace(m.str("type") + " " + m.str("code"))
	}
	return fmt.Sprintf("%v:%v", m["partition"], m["offset"])
}

func answersOf(all []message) string {
	var texts []string
	for _, m := range all {
		texts = append(texts, m.answer())
	}
	return strings.Join(texts, ", ")
}

// TestLines: each line is answered in its place while the body is still being sent, also if
// it is no record.
func TestLines(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}})
	live := token(t, "u42", "live", time.Hour)
	for _, coding := range []string{"", "gzip", "zstd"} {
		t.Run(coding, func(t *testing.T) {
			before := len(in.page("open", "from=earliest", live).Records)
			var header []string
			if coding != "" {
				header = []string{"Content-Encoding", coding}
			}
			s := in.lines("/v1/streams/open/records", live, header...)
			if s.res.StatusCode != http.StatusOK || s.res.Header.Get("Content-Type") != "application/x-ndjson" {
				t.Fatalf("got %d %v", s.res.StatusCode, s.res.Header)
			}
			send := s.send
			switch coding {
			case "gzip":
				w := gzip.NewWriter(s.body)
				send = func(text string) { _, _ = io.WriteString(w, text); _ = w.Flush() }
			case "zstd":
				w, err := zstd.NewWriter(s.body)
				if err != nil {
					t.Fatal(err)
				}
				send = func(text string) { _, _ = io.WriteString(w, text); _ = w.Flush() }
			}
			want := func(n int) string { return fmt.Sprintf("0:%d", before+n) }
			for _, c := range []struct{ line, answer string }{
				{`{"key":"a","data":{"n":1}}`, want(0)},
				{` {"data":9007199254740993,"headers":[["h","1"]]} ` + "\r", want(1)},
				{`{"data":1`, "bad_request"},
				{``, "bad_request"},
				{`[]`, "bad_request"},
				{`{"records":[{"data":1}]}`, "bad_request"},
				{`{"data":1,"stream":"orders"}`, "bad_request"},
				{`{"data":1,"headers":[["sluice-x","1"]]}`, "reserved_header"},
				{`{"tombstone":true,"key":"a"}`, want(2)},
			} {
				send(c.line + "\n")
				if got := s.next().answer(); got != c.answer {
					t.Fatalf("%s: got %s, want %s", c.line, got, c.answer)
				}
			}
			send(`{"data":1}` + "\n" + `{"data":`)
			if got := s.next().answer(); got != want(3) {
				t.Fatalf("of two that came at once: %s", got)
			}
			send("2}\n{\"data\":3}\n")
			if got := s.next().answer() + " " + s.next().answer(); got != want(4)+" "+want(5) {
				t.Fatalf("got %s", got)
			}
			if got := in.metric(`sluice_sessions{protocol="publish"}`); got != 1 {
				t.Errorf("%v sessions are counted", got)
			}
			if coding == "" {
				send(`{"data":4}`) // the last line needs no end
			}
			_ = s.body.Close()
			switch rest := answersOf(s.rest()); {
			case coding == "" && rest != want(6), coding != "" && rest != "closing bad_request": // it is not closed
				t.Errorf("the rest is %s", rest)
			}
			in.eventually("it is counted no longer", func() bool { return in.metric(`sluice_sessions{protocol="publish"}`) == 0 })
		})
	}
	if got := in.metric(`sluice_inflate_bytes`); got != 0 {
		t.Errorf("%v bytes are held", got)
	}
}

// TestLinesBounds: what ends a body is answered by the last line, behind the answers to all
// that was stored.
func TestLinesBounds(t *testing.T) {
	t.Parallel()
	ends := func(o options, body, want string, header ...string) func(*testing.T) {
		return func(t *testing.T) {
			t.Parallel()
			o.open = []string{"open"}
			in := start(t, o)
			live := token(t, "u42", "live", time.Hour)
			s := in.lines("/v1/streams/open/records", live, header...)
			go func() {
				_, _ = io.WriteString(s.body, body)
				if !strings.HasSuffix(want, "0:0, closing bad_request") {
					_ = s.body.Close()
				}
			}()
			if got := answersOf(s.rest()); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			in.eventually("nothing is held", func() bool { return in.metric(`sluice_inflate_bytes`) == 0 })
		}
	}
	limits := func(change func(*transport.Limits)) options {
		return options{limits: func(l *transport.Limits) { l.MessageBytes, l.InflateRatio = 2000, 20; change(l) }}
	}
	none := func(*transport.Limits) {}
	const line = `{"data":1}` + "\n"
	long := `{"data":"` + strings.Repeat("a", 2000) + `"}`
	bomb := strings.Repeat(line, 100_000)
	t.Run("a long line", ends(limits(none), line+long+"\n"+line, "0:0, closing too_large"))
	t.Run("a line without end", ends(limits(none), line+strings.Repeat("a", 1<<20), "0:0, closing too_large"))
	t.Run("a slow line", ends(limits(func(l *transport.Limits) { l.MessageAssembly = 100 * time.Millisecond }), line+`{"data`, "0:0, closing bad_request"))
	t.Run("silence", ends(options{config: func(c *transport.Config) { c.IdleTimeout = 100 * time.Millisecond }}, line, "0:0, closing bad_request"))
	t.Run("mistakes", ends(limits(func(l *transport.Limits) { l.ErrorsPerMinute = 1 }), "1\n2\n", "bad_request, bad_request, closing too_many_errors"))
	t.Run("not gzip", ends(limits(none), line, "closing bad_request", "Content-Encoding", "gzip"))
	t.Run("not zstd", ends(limits(none), line, "closing bad_request", "Content-Encoding", "zstd"))
	t.Run("cut gzip", ends(limits(none), encoded(t, "gzip", line)[:12], "closing bad_request", "Content-Encoding", "gzip"))
	for _, coding := range []string{"gzip", "zstd"} {
		t.Run("a bomb in "+coding, func(t *testing.T) {
			t.Parallel()
			o := limits(none)
			o.open = []string{"open"}
			in := start(t, o)
			s := in.lines("/v1/streams/open/records", token(t, "u42", "live", time.Hour), "Content-Encoding", coding)
			go func() { _, _ = io.WriteString(s.body, encoded(t, coding, bomb)) }()
			all := s.rest()
			if got := all[len(all)-1].answer(); got != "closing too_large" || len(all) > 20_000 {
				t.Errorf("got %d answers, the last one %s", len(all), got)
			}
		})
	}
	t.Run("windows", func(t *testing.T) {
		t.Parallel()
		in := start(t, limits(func(l *transport.Limits) { l.InflateMemory = 8 << 20 }))
		body := func(window int) string {
			var b bytes.Buffer
			w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, _ = w.Write([]byte(line))
				_ = w.Flush()
			}
			return b.String()
		}
		first := in.lines(publishPath, token(t, "u1", "live", time.Hour), "Content-Encoding", "zstd")
		first.send(body(8 << 20))
		for range 3 {
			first.next()
		}
		if got := in.metric("sluice_inflate_bytes"); got != 8<<20 {
			t.Errorf("%v bytes are accounted for", got)
		}
		for who, want := range map[string]string{"u1": "closing rate_limited", "u2": "closing overloaded"} {
			s := in.lines(publishPath, token(t, who, "live", time.Hour), "Content-Encoding", "zstd")
			s.send(body(1 << 20))
			if got := answersOf(s.rest()); got != want {
				t.Errorf("%s: got %s, want %s", who, got, want)
			}
		}
	})
}

// TestLinesRefused: what can be known before the first line is answered with a status.
func TestLinesRefused(t *testing.T) {
	t.Parallel()
	in := start(t, options{limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 1 }})
	live := token(t, "u42", "live", time.Hour)
	for name, c := range map[string]struct {
		path, token string
		header      []string
		status      int
		code        string
	}{
		"no stream": {"/v1/streams/nope/records", live, nil, 404, "unknown_stream"},
		"hidden":    {"/v1/streams/hidden/records", live, nil, 404, "unknown_stream"},
		"no right":  {"/v1/streams/public.news/records", live, nil, 403, "forbidden"},
		"no token":  {publishPath, "x", nil, 401, "unauthenticated"},
		"coding":    {publishPath, live, []string{"Content-Encoding", "br"}, 415, "bad_request"},
		"parameter": {publishPath + "?key=a", live, nil, 400, "bad_request"},
		"header id": {publishPath, live, []string{"Idempotency-Key", "a"}, 400, "bad_request"},
	} {
		status, head, body := in.do(http.MethodPost, c.path, c.token, `{"data":1}`, append(c.header, "Content-Type", "application/x-ndjson")...)
		if status != c.status || codeIn([]byte(body)) != c.code || head.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %d %s", name, status, body)
		}
	}
	s := in.lines(publishPath, live)
	status, head, body := in.do(http.MethodPost, publishPath, live, `{"data":1}`, "Content-Type", "application/x-ndjson")
	in.problem(t, status, head, body, http.StatusTooManyRequests, "too_many_sessions")
	_ = s.body.Close()
	if rest := s.rest(); len(rest) > 0 {
		t.Errorf("an empty body is answered with %v", rest)
	}
}

// TestLinesExpect100: a client that waits to be told to go on gets the answer after it.
func TestLinesExpect100(t *testing.T) {
	t.Parallel()
	in := start(t, options{open: []string{"open"}})
	live := token(t, "u42", "live", time.Hour)
	status, body := in.sends("POST /v1/streams/open/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+live+
		"\r\nContent-Type: application/x-ndjson\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n{\"data\":1}\n", nil)
	if status != http.StatusContinue {
		t.Errorf("got %d %s", status, body)
	}
}

// fickle is a Kafka that refuses, or does not know, what it is told to.
type fickle struct {
	upstream.Producer
	mu    sync.Mutex
	fails []error // of the next calls, nil for success
	calls int
}

func (f *fickle) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	f.mu.Lock()
	f.calls++
	var err error
	if len(f.fails) > 0 {
		err, f.fails = f.fails[0], f.fails[1:]
	}
	f.mu.Unlock()
	if err == nil {
		f.Producer.Produce(ctx, topic, messages, done)
		return
	}
	results := make([]upstream.Stored, len(messages))
	for i := range results {
		results[i].Err = err
	}
	go done(results)
}

// TestLinesKeepTheirOrder: nothing behind a record that was refused for a temporary reason
// is stored, and while too much is in flight the client waits instead.
func TestLinesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fails []error
		want  string
	}{
		"unavailable": {[]error{nil, upstream.ErrPublishUnavailable}, "0:0, publish_unavailable, closing publish_unavailable"},
		"unknown":     {[]error{nil, upstream.ErrPublishUnknown}, "0:0, publish_unknown, closing publish_unknown"},
		"rejected":    {[]error{nil, upstream.ErrPublishRejected}, "0:0, invalid, 0:1, 0:2"},
		"overloaded":  {[]error{nil, upstream.ErrPublishOverloaded}, "0:0, 0:1, 0:2, 0:3"},
		"for long": {
			append([]error{nil}, slices.Repeat([]error{upstream.ErrPublishOverloaded}, 10_000)...),
			"0:0, rate_limited, closing rate_limited",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kafka := &fickle{fails: c.fails}
			in := start(t, options{open: []string{"open"}, stream: func(s *hub.Stream) {
				if s.Name == "open" {
					kafka.Producer = s.Producer
					s.Producer = kafka
				}
			}, limits: func(l *transport.Limits) { l.PublishTimeout = 300 * time.Millisecond }})
			s := in.lines("/v1/streams/open/records", token(t, "u42", "live", time.Hour))
			var all []message
			for n := range 4 {
				if _, err := fmt.Fprintf(s.body, `{"data":%d}`+"\n", n); err != nil {
					break
				}
				m := s.next()
				if m == nil {
					break
				}
				if all = append(all, m); m.str("type") == "closing" {
					break
				}
			}
			_ = s.body.Close()
			all = append(all, s.rest()...)
			if got := answersOf(all); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// gated is a Kafka that stores nothing while it is shut.
type gated struct {
	upstream.Producer
	open     chan struct{}
	waiting  atomic.Int64
	mostSeen atomic.Int64
}

func (g *gated) Produce(ctx context.Context, topic string, messages []upstream.Message, done func([]upstream.Stored)) {
	n := g.waiting.Add(int64(len(messages)))
	g.mostSeen.Store(max(g.mostSeen.Load(), n))
	go func() {
		<-g.open
		g.waiting.Add(-int64(len(messages)))
		g.Producer.Produce(ctx, topic, messages, done)
	}()
}

// TestLinesWaitForKafka: a client that sends faster than Kafka stores waits, and what is in
// flight is bounded, however long the body.
func TestLinesWaitForKafka(t *testing.T) {
	t.Parallel()
	kafka := &gated{open: make(chan struct{})}
	in := start(t, options{open: []string{"open"}, stream: func(s *hub.Stream) {
		if s.Name == "open" {
			kafka.Producer = s.Producer
			s.Producer = kafka
		}
	}, limits: func(l *transport.Limits) { l.BatchRecords = 50 }})
	s := in.lines("/v1/streams/open/records", token(t, "u42", "live", time.Hour))
	const lines = 200_000
	var sent atomic.Int64
	go func() {
		w := bufio.NewWriterSize(s.body, 8<<10)
		for n := range lines {
			if _, err := fmt.Fprintf(w, `{"key":"%d","data":{"n":%d,"more":"%s"}}`+"\n", n%7, n, strings.Repeat("x", 100)); err != nil {
				break
			}
			sent.Add(1)
		}
		_ = w.Flush()
		_ = s.body.Close()
	}()
	in.eventually("it waits", func() bool {
		before := sent.Load()
		time.Sleep(200 * time.Millisecond)
		return before > 0 && sent.Load() == before
	})
	if n := sent.Load(); n == lines {
		t.Errorf("all %d lines were taken", n)
	}
	close(kafka.open)
	for n := range lines {
		if got, want := s.next().answer(), fmt.Sprintf("0:%d", n); got != want {
			t.Fatalf("line %d: got %s", n, got)
		}
	}
	if m := s.next(); m != nil {
		t.Errorf("got %v", m)
	}
	if most := kafka.mostSeen.Load(); most > 50 {
		t.Errorf("%d records were in flight", most)
	}
}

// TestLinesEnd: nothing is stored after the credential was revoked or has lost its right, or
// the server drains, and the last line says so.
func TestLinesEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then func(in *instance, a *auth.Authenticator)
		want string
	}{
		"revocation": {func(in *instance, _ *auth.Authenticator) {
			in.operate(http.MethodPost, "/revocations", `{"issuer":"test","subject":"u42"}`)
		}, "closing revoked"},
		"drain": {func(in *instance, _ *auth.Authenticator) { go func() { _ = in.stop() }() }, "closing draining"},
		"rights": {func(in *instance, a *auth.Authenticator) {
			if err := a.SetGrants([]auth.Grant{{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}}}); err != nil {
				in.t.Error(err)
			}
		}, "closing forbidden"},
	} {
		for _, quiet := range []bool{true, false} {
			if quiet && name == "rights" {
				continue // they are asked for with the next line
			}
			t.Run(fmt.Sprintf("%s, quiet=%v", name, quiet), func(t *testing.T) {
				t.Parallel()
				var a *auth.Authenticator
				in := start(t, options{config: func(c *transport.Config) { a = c.Auth }})
				s := in.lines(publishPath, token(t, "u42", "live", time.Hour))
				s.send(`{"data":1}` + "\n")
				if got := s.next().answer(); !strings.HasSuffix(got, ":0") {
					t.Fatalf("got %s", got)
				}
				c.then(in, a)
				if !quiet {
					go func() {
						for {
							if _, err := io.WriteString(s.body, `{"data":1}`+"\n"); err != nil {
								return
							}
							time.Sleep(20 * time.Millisecond)
						}
					}()
				}
				all := s.rest()
				if len(all) == 0 || all[len(all)-1].answer() != c.want {
					t.Errorf("got %s", answersOf(all))
				}
			})
		}
	}
}

// TestLinesOverHTTP2: over HTTP/2 the answers come while the body is being sent, too.
func TestLinesOverHTTP2(t *testing.T) {
	t.Parallel()
	in, h2, h1 := overTLS(t, options{open: []string{"open"}})
	for i, client := range []*http.Client{h2, h1} {
		in.client = client
		s := in.lines("/v1/streams/open/records", token(t, "u42", "live", time.Hour))
		if want := 2 - i; s.res.ProtoMajor != want {
			t.Fatalf("got HTTP/%d, want %d", s.res.ProtoMajor, want)
		}
		for n := range 100 {
			s.send(`{"data":1}` + "\n")
			if got, want := s.next().answer(), fmt.Sprintf("0:%d", 100*i+n); got != want {
				t.Fatalf("line %d: got %s", n, got)
			}
		}
		_ = s.body.Close()
		if rest := s.rest(); len(rest) > 0 {
			t.Errorf("the rest is %v", rest)
		}
	}
}
