package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/hub/upstream"
	"sluice/transport"
)

// absent is a Kafka and a store of cursors that never answer. Every request that
// waits for them is announced on arrived.
type absent struct {
	*hubtest.Topics
	*memoryStore
	arrived chan struct{}
	late    atomic.Int32 // requests that waited until the server's time limit
}

func (a *absent) wait(ctx context.Context) error {
	a.arrived <- struct{}{}
	<-ctx.Done()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		a.late.Add(1)
	}
	return ctx.Err()
}

// Offsets implements upstream.Source. Requests of the hub itself, which have no
// deadline, are answered.
func (a *absent) Offsets(ctx context.Context, topic record.Topic, m upstream.OffsetSpec) ([]record.PartitionOffset, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return a.Topics.Offsets(ctx, topic, m)
	}
	return nil, fmt.Errorf("%w: %w", upstream.ErrSourceUnavailable, a.wait(ctx))
}

// Load implements cursors.Store.
func (a *absent) Load(ctx context.Context, _ cursors.Key) (cursors.Stored, error) {
	return cursors.Stored{}, fmt.Errorf("%w: %w", cursors.ErrStoreUnavailable, a.wait(ctx))
}

// Take implements cursors.Store.
func (a *absent) Take(ctx context.Context, _ cursors.Key) (cursors.Stored, error) {
	return cursors.Stored{}, fmt.Errorf("%w: %w", cursors.ErrStoreUnavailable, a.wait(ctx))
}

// TestClientsThatLeaveAreNoFault: a client that leaves while its request waits for
// Kafka, for Redis or for its own body is neither counted nor logged as a fault.
func TestClientsThatLeaveAreNoFault(t *testing.T) {
	t.Parallel()
	log, registry := &journal{}, prometheus.NewRegistry()
	away := &absent{memoryStore: newMemoryStore(), arrived: make(chan struct{})}
	var topics sync.Once
	in, h2, h1 := overTLS(t, options{
		limits: func(l *transport.Limits) { l.SessionsPerPrincipal = 0 },
		stream: func(s *hub.Stream) {
			topics.Do(func() { away.Topics, _ = s.Source.(*hubtest.Topics) })
			s.Source = away
		},
		config: func(c *transport.Config) {
			committer, err := cursors.NewCommitter(away, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			c.Committer, c.Registry = committer, registry
			c.Logger = slog.New(slog.NewTextHandler(log, nil))
			c.RequestTimeout, c.DrainTimeout = time.Minute, time.Minute
		},
	})
	tok := token(t, "u42", "live", time.Hour)
	// The stream is being read.
	reading := in.readsWith(h2, "HTTP/2.0", "/v1/streams/orders/events", tok)
	reading.until("sluice.caught_up")
	var answered, left atomic.Int32
	for _, client := range []*http.Client{h1, h2} {
		for _, path := range []string{
			"/v1/streams/orders/events?from=earliest", "/v1/streams/orders/events?cursor_name=a", "/v1/events?stream=orders&from=-1h",
			"/v1/events?stream=orders&from=-1h&errors=stream", "/v1/streams/orders/records?from=earliest",
			"/v1/streams/orders/records?from=earliest&wait=10s", "/v1/cursors/orders/a",
		} {
			for _, accept := range []string{"text/event-stream", "application/x-ndjson"} {
				ctx, leave := context.WithCancel(t.Context())
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+tok)
				req.Header.Set("Accept", accept)
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					if res, err := client.Do(req); err == nil {
						_ = res.Body.Close()
						answered.Add(1)
						return
					}
					left.Add(1)
				}()
				select {
				case <-away.arrived:
				case <-gone:
				}
				leave()
				<-gone
			}
		}
	}
	// Nor is a client that leaves while it sends its body.
	for range 2 {
		r, w := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.url+publishPath, r)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tok)
		left := make(chan struct{})
		go func() {
			defer close(left)
			if res, err := h1.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}()
		_, _ = io.WriteString(w, "half of it")
		_ = w.CloseWithError(io.ErrClosedPipe)
		<-left
	}
	reading.cancel()
	in.sampleBecomes(byAddress, 0)
	if err := in.stop(); err != nil {
		t.Error(err)
	}
	faults := 0
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "sluice_faults_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			faults += int(m.GetCounter().GetValue())
		}
	}
	// On a slow machine the time limit can come first, and the client is sent a
	// fault.
	told := int(answered.Load() + away.late.Load())
	if faults > told {
		t.Errorf("%d faults are counted, and %d clients were still there", faults, told)
	}
	if text := log.text(); told == 0 && strings.Contains(text, "fault") {
		t.Errorf("logged: %s", text)
	}
	t.Logf("%d clients have left, %d were told of a fault", left.Load(), told)
	if left.Load() == 0 {
		t.Error("no client has left")
	}
}

// TestBodiesThatEndEarly: a client that is still connected is answered that its body
// ends early.
func TestBodiesThatEndEarly(t *testing.T) {
	t.Parallel()
	in := start(t, options{})
	tok := token(t, "u42", "live", time.Hour)
	for _, rest := range []string{"Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n5\r\nha"} {
		status, body := in.sends("POST "+publishPath+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+tok+"\r\n"+rest, func(c net.Conn) {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
		})
		if status != http.StatusBadRequest || !strings.Contains(body, "the body ends early") {
			t.Errorf("%q: got %d %s", rest, status, body)
		}
	}
	if got := in.metric(`sluice_faults_total{code="bad_request"}`); got > 0 {
		t.Errorf("%v faults are counted", got)
	}
}
