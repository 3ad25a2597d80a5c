package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = auth.NewSecret(strings.Repeat("s", 32))

// instance is a server on a Kafka in memory.
type instance struct {
	t      testing.TB
	topics *hubtest.Topics
	store  *memoryStore
	url    string
	admin  string
	server *transport.Server
	stop   func() error
	// client sends requests, and connect opens a connection of its own.
	client  *http.Client
	connect func(context.Context) (net.Conn, error)
	// tls is the configuration of clients, nil without TLS.
	tls *tls.Config
}

type options struct {
	limits func(*transport.Limits)
	config func(*transport.Config)
	stream func(*hub.Stream)
	// open are additional streams, of one partition, that everybody may read and
	// publish to.
	open []string
	// later are patterns of streams that everybody may read once there are such.
	later  []string
	server func(*transport.Server)
	// listener wraps the clients' listener, below TLS.
	listener func(net.Listener) net.Listener
	// pipes replace the network for clients, for a server in a bubble of
	// testing/synctest. It has no admin listener.
	pipes *pipes
	// tls serves clients over TLS.
	tls bool
}

func testLimits() transport.Limits {
	return transport.Limits{
		MessageBytes: 64 << 10, MessageAssembly: patience, ControlFramesPerSecond: 10, ErrorsPerMinute: 100,
		CursorBytes: 4 << 10, JSONDepth: 32, JSONKeys: 1000, FirstMessageAuth: patience, PingEvery: 25 * time.Second,
		PongWithin: patience, KeepAlive: never, WriteProgress: patience, SessionsPerPrincipal: 20,
		SessionsPerAddress: 0, SubscriptionsPerSession: 100, ResumeWindow: 10 * time.Minute, PublishesPerSession: 64,
		PublishTimeout: patience, RecordBytes: 1 << 20, SendBuffer: 64 << 10, PageBytes: 1 << 20, PageMemory: 64 << 20,
	}
}

// start starts a server with the streams public.news, which everybody may read,
// orders, which principals with scope live may read, and hidden.
func start(t testing.TB, o options) *instance {
	t.Helper()
	in := &instance{t: t, topics: hubtest.New(), store: newMemoryStore()}
	workers, err := transport.NewWorkers(2)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	var streams []hub.Stream
	for _, name := range append([]string{"public.news", "orders", "hidden"}, o.open...) {
		partitions := 2
		if slices.Contains(o.open, name) {
			partitions = 1
		}
		in.topics.Create(name, partitions)
		s := hub.Stream{Name: name, Topic: name, Source: in.topics, Producer: in.topics, LogBytes: 1 << 20, RecordBytes: 1 << 20, Backfill: time.Hour}
		if o.stream != nil {
			o.stream(&s)
		}
		streams = append(streams, s)
	}
	h, err := hub.New(hub.Config{
		Streams: streams, Shards: workers.Len(), Wake: workers.Wake, Pace: workers.Pace, Logger: logger, Now: time.Now,
		Limits: hub.Limits{ResumeWindow: testLimits().ResumeWindow, StartTimeout: 5 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	committer, err := cursors.NewCommitter(in.store, 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	grants := []auth.Grant{
		{When: map[string]string{"scope": "live"}, Subscribe: []string{"orders"}, Publish: []string{"orders"}, Replay: auth.ReplayUnlimited},
		{When: map[string]string{"scope": "brief"}, Subscribe: []string{"orders"}},
		{When: map[string]string{"scope": "write"}, Publish: []string{"orders"}},
		{When: map[string]string{"scope": "operate"}, Admin: true},
		{Anonymous: true, Subscribe: []string{"public.*"}},
	}
	if len(o.open) > 0 {
		grants = append(grants, auth.Grant{Anonymous: true, Subscribe: append(slices.Clone(o.open), o.later...), Publish: o.open, Replay: auth.ReplayUnlimited})
	}
	authenticator, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{{Issuer: "test", Audience: "sluice", Algorithms: []string{auth.HS256}, Secret: secret}},
		Grants:  grants,
	})
	if err != nil {
		t.Fatal(err)
	}
	origins, err := auth.NewOrigins([]string{"https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	config := transport.Config{
		Hub: h, Workers: workers, Committer: committer, CursorLister: in.store, Auth: authenticator,
		Credentials: auth.RequestOptions{Origins: origins}, Limits: testLimits(),
		RequestTimeout: patience, HeaderTimeout: patience, IdleTimeout: time.Minute, HeaderBytes: 32 << 10,
		DrainTimeout: 10 * time.Second, DrainSpread: 100 * time.Millisecond, CheckEvery: time.Minute,
		Logger: logger, Now: time.Now,
	}
	if o.pipes != nil {
		config.Listener = o.pipes
		in.url, in.client, in.connect = "http://sluice", o.pipes.client(), o.pipes.dial
	} else {
		config.Listener, config.Admin = listen(t), listen(t)
		address := config.Listener.Addr().String()
		in.url, in.admin = "http://"+address, "http://"+config.Admin.Addr().String()
		in.client = http.DefaultClient
	}
	if o.tls {
		config.TLS = in.overTLS()
	}
	if o.listener != nil {
		config.Listener = o.listener(config.Listener)
	}
	if o.limits != nil {
		o.limits(&config.Limits)
	}
	if o.config != nil {
		o.config(&config)
	}
	server, err := transport.New(config)
	if err != nil {
		t.Fatal(err)
	}
	in.server = server
	if o.pipes != nil {
		server.WithoutPoller()
	}
	if o.server != nil {
		o.server(server)
	}
	lower, endLower := context.WithCancel(context.Background())
	upper, endUpper := context.WithCancel(context.Background())
	var below sync.WaitGroup
	below.Go(func() { _ = h.Run(lower) })
	below.Go(func() { _ = committer.Run(lower) })
	served := make(chan error, 1)
	go func() { served <- server.Run(upper) }()
	in.stop = sync.OnceValue(func() error {
		endUpper()
		err := <-served
		endLower()
		below.Wait()
		return err
	})
	t.Cleanup(func() {
		if err := in.stop(); err != nil {
			t.Error(err)
		}
		in.client.CloseIdleConnections()
	})
	for end := time.Now().Add(patience); in.admin != "" && time.Now().Before(end); {
		if res, err := http.Get(in.admin + "/livez"); err == nil {
			_ = res.Body.Close()
			break
		}
		time.Sleep(time.Millisecond)
	}
	return in
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// token mints a token with a scope.
func token(t testing.TB, subject, scope string, ttl time.Duration) string {
	t.Helper()
	text, err := auth.Mint(secret, auth.TokenClaims{
		Issuer: "test", Audience: "sluice", Subject: subject, ValidFor: ttl, More: map[string]any{"scope": scope},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (in *instance) publish(stream string, partition int32, from, to int) {
	for n := from; n < to; n++ {
		in.topics.Append(stream, record.Record{
			Partition: partition, Key: fmt.Appendf(nil, "k%d", n%3), Value: hubtest.Value(partition, n), Timestamp: time.Now().UnixMilli(),
		})
	}
}

// message is any message of the server.
type message map[string]any

func (m message) str(field string) string { s, _ := m[field].(string); return s }

// socket is a WebSocket client.
type socket struct {
	t testing.TB
	*websocket.Conn
	last message
}

// dial opens a WebSocket. If token is empty it sends no credential.
func (in *instance) dial(query, token string) *socket {
	in.t.Helper()
	o := &websocket.DialOptions{HTTPHeader: http.Header{}, HTTPClient: in.client}
	if token != "" {
		o.HTTPHeader.Set("Authorization", "Bearer "+token)
	}
	c, _, err := websocket.Dial(in.t.Context(), in.url+"/v1/ws"+query, o) //nolint:bodyclose // the library has
	if err != nil {
		in.t.Fatal(err)
	}
	c.SetReadLimit(-1)
	in.t.Cleanup(func() { _ = c.CloseNow() })
	return &socket{t: in.t, Conn: c}
}

func (s *socket) send(format string, args ...any) {
	s.t.Helper()
	if err := s.Write(s.t.Context(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		s.t.Fatal(err)
	}
}

// next returns the next message.
func (s *socket) next() message {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, b, err := s.Read(ctx)
	if err != nil {
		s.t.Fatalf("read: %v; the last message was %v", err, s.last)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		s.t.Fatalf("%s: %v", b, err)
	}
	s.last = m
	return m
}

// until returns the next message of a type, skipping others.
func (s *socket) until(kind string) message {
	s.t.Helper()
	for range 10000 {
		if m := s.next(); m.str("type") == kind {
			return m
		}
	}
	s.t.Fatalf("no %s came", kind)
	return nil
}

// closed reads up to the close and returns its code.
func (s *socket) closed() (last message, code websocket.StatusCode) {
	s.t.Helper()
	for {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		_, b, err := s.Read(ctx)
		cancel()
		if err != nil {
			return last, websocket.CloseStatus(err)
		}
		last = nil
		if err := json.Unmarshal(b, &last); err != nil {
			s.t.Fatalf("%s: %v", b, err)
		}
	}
}

// do sends a request and returns the status, the header and the body of the answer.
func (in *instance) do(method, path, token, body string, header ...string) (int, http.Header, string) {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, in.url+path, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Host = req.Header.Get("Host") // empty for that of the URL
	res, err := in.client.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// sse is one server-sent event.
type sse struct {
	name, id, data string
	retry          string
	forgets        bool // the id is empty, and the client's is to be forgotten
}

func (e sse) json(t testing.TB) message {
	t.Helper()
	var m message
	if err := json.Unmarshal([]byte(e.data), &m); err != nil {
		t.Fatalf("%q: %v", e.data, err)
	}
	return m
}

// stream is an SSE client.
type stream struct {
	t      testing.TB
	res    *http.Response
	lines  *bufio.Reader
	cancel func()
	lastID string
	// forgets is set when the last event made the client forget its id.
	forgets bool
}

func (in *instance) events(path, token string, header ...string) *stream {
	in.t.Helper()
	ctx, cancel := context.WithCancel(in.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.url+path, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := in.client.Do(req)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { cancel(); _ = res.Body.Close() })
	return &stream{t: in.t, res: res, lines: bufio.NewReader(res.Body), cancel: cancel}
}

// next returns the next event, or reports that the stream has ended.
func (s *stream) next() (e sse, ok bool) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return e, false
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "":
			if e.id != "" {
				s.lastID = e.id
			}
			return e, true
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "id:": // empty
			e.id, e.forgets, s.lastID = "", true, ""
		case "data":
			e.data += value
		case "retry":
			e.retry = value
		default:
			s.t.Fatalf("unexpected line %q", line)
		}
	}
}

func (s *stream) until(name string) sse {
	s.t.Helper()
	for {
		e, ok := s.next()
		if !ok {
			s.t.Fatalf("the stream ended before %q", name)
		}
		if e.name == name {
			return e
		}
	}
}
