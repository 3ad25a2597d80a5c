package measure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/transport/client"
)

// progressEvery is how often Config.Progress is called.
const progressEvery = 200 * time.Millisecond

// run is a run in progress.
type run struct {
	config Config
	base   *url.URL
	// http makes the connections of clients, each a connection of its own.
	http  *http.Client
	stamp []byte // how the stamps of the run begin in an event
	tally *tally
	read  atomic.Int64 // bytes
	open  atomic.Bool  // the window
	// silence is after how long without a byte a connection counts as lost, in nanoseconds.
	silence atomic.Int64
	// unreachable is why no client can reach the server.
	unreachable atomic.Pointer[error]
	// first is why the first of the clients that were refused could not subscribe.
	first atomic.Pointer[error]
}

// ErrNone means that no client could subscribe.
var ErrNone = errors.New("no client could subscribe")

// Run measures. When the context ends, it returns what it has measured until then. The error is
// ErrNone, beside the report; or without one what is wrong with the configuration, or why the server
// cannot be reached (client.Unreachable).
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	base, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("read URL: %w", err)
	}
	id := strings.ToLower(rand.Text()[:12])
	r := &run{config: c, base: base, stamp: stampBegin(id), tally: newTally()}
	r.silence.Store(int64(silence))
	r.http = &http.Client{Transport: r.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer r.http.CloseIdleConnections()
	p, err := newPublisher(&r.config, id)
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	clients := make([]subscriber, c.Clients)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop() // before the wait
	ramp := time.Now()
	r.connect(ctx, reading, clients, &all)
	connecting := time.Since(ramp)
	begin, before := time.Now(), cpuTime()
	r.read.Store(0)
	r.open.Store(true)
	if begun, _ := r.tally.connections(); begun == 0 {
		if why := r.unreachable.Load(); why != nil {
			return nil, *why
		}
		none := ErrNone
		if why := r.first.Load(); why != nil {
			none = fmt.Errorf("%w: %w", ErrNone, *why)
		}
		return r.report(p, clients, connecting, 0, 0), none
	}
	r.window(ctx, p, clients, begin)
	took, used := time.Since(begin), cpuTime()-before
	r.open.Store(false)
	r.drain(ctx, p, clients)
	return r.report(p, clients, connecting, took, used), nil
}

// transport makes connections that count what is read from them. Each client has one of its
// own, also over TLS, where HTTP/2 would share them.
func (r *run) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: connectWithin}
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		Protocols:           protocols,
		TLSClientConfig:     r.config.TLS.Clone(),
		TLSHandshakeTimeout: connectWithin,
		DisableCompression:  true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &counted{Conn: conn, run: r}, nil
		},
	}
}

// counted is a connection that counts what is read, and is lost if it is silent for too long.
type counted struct {
	net.Conn
	run *run
}

func (c *counted) Read(b []byte) (int, error) {
	// It fails only if the connection is closed, which the read reports.
	_ = c.SetReadDeadline(time.Now().Add(time.Duration(c.run.silence.Load())))
	n, err := c.Conn.Read(b)
	c.run.read.Add(int64(n))
	return n, err
}

// refused counts a client that could not subscribe.
func (r *run) refused(err error, end *ended) {
	if why := client.Unreachable(err); why != nil {
		r.unreachable.CompareAndSwap(nil, &why)
	}
	r.first.CompareAndSwap(nil, &err)
	r.tally.refused(end.code, end.message)
}

// request adds to a request where a client begins: at first with the next record, and after a lost
// connection behind the last one.
func (s *subscriber) request(fields map[string]string) map[string]string {
	name, position := "from", s.position.text()
	switch {
	case position == "":
		position = client.Latest
	case s.position.several:
		name = "last_event_id"
	}
	fields[name] = position
	return fields
}

func (s *subscriber) authorize(ctx context.Context, header http.Header) error {
	if s.token == nil {
		return nil
	}
	token, err := s.token(ctx)
	if err != nil {
		return fmt.Errorf("obtain token: %w", err)
	}
	header.Set("Authorization", "Bearer "+token)
	return nil
}

func newPublisher(c *Config, run string) (*publisher, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = publishAtOnce, publishAtOnce
	if c.TLS != nil {
		transport.TLSClientConfig = c.TLS.Clone()
	}
	p := &publisher{config: c, run: run, errors: map[string]int{}, said: map[string]string{}, took: newHistogram(), transport: transport}
	for n := range max(1, len(c.Tokens)) {
		made, err := client.New(client.Config{URL: c.URL, Token: c.token(int64(n)), HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			return nil, err
		}
		p.clients = append(p.clients, made)
	}
	return p, nil
}

// connect starts the clients at their rate, and waits until each has subscribed or failed.
func (r *run) connect(ctx, reading context.Context, clients []subscriber, all *sync.WaitGroup) {
	begin := time.Now()
	started := 0
	r.wait(ctx, func() (time.Duration, bool) {
		due := int(time.Since(begin).Seconds()*r.config.ConnectRate) + 1
		for ; started < min(due, len(clients)); started++ {
			s := &clients[started]
			s.run, s.shard, s.token = r, &r.tally.shards[started%shards], r.config.token(int64(started))
			s.position.several = strings.Contains(r.config.Stream, "*")
			all.Go(func() { s.subscribe(reading) })
		}
		begun, failed := r.tally.connections()
		nobody := begun == 0 && r.unreachable.Load() != nil
		return 10 * time.Millisecond, nobody || started == len(clients) && begun+failed >= started
	}, clients, -1)
}

// window waits for the end of the window, and publishes meanwhile.
func (r *run) window(ctx context.Context, p *publisher, clients []subscriber, begin time.Time) {
	end := begin.Add(r.config.Duration)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	if r.config.Rate > 0 {
		publishing.Go(func() { p.publish(ctx, begin, end) })
	}
	r.wait(ctx, func() (time.Duration, bool) {
		left := time.Until(end)
		return min(left, progressEvery), left <= 0
	}, clients, float64(begin.UnixNano()))
}

// drain waits until all clients are back, and have what was published.
func (r *run) drain(ctx context.Context, p *publisher, clients []subscriber) {
	end := time.Now().Add(r.config.Patience)
	r.wait(ctx, func() (time.Duration, bool) {
		_, coming := away(clients)
		return 20 * time.Millisecond, coming == 0 && missing(p, clients) == 0 || time.Now().After(end)
	}, clients, -1)
}

// wait calls a function until it is done or the context ends. begin is that of the window in Unix
// nanoseconds, negative outside of it.
func (r *run) wait(ctx context.Context, next func() (time.Duration, bool), clients []subscriber, begin float64) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var told time.Time
	for {
		pause, done := next()
		if now := time.Now(); r.config.Progress != nil && now.Sub(told) >= progressEvery {
			told = now
			progress := Progress{Part: -1, Records: r.tally.received()}
			progress.Connected, progress.Failed = r.tally.connections()
			progress.Away, _ = away(clients)
			if begin >= 0 {
				progress.Part = (float64(now.UnixNano()) - begin) / float64(r.config.Duration)
			}
			r.config.Progress(progress)
		}
		if done {
			return
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// away returns how many clients have lost their connection and are not back, and how many of them are
// still to come.
func away(clients []subscriber) (all, coming int) {
	for i := range clients {
		s := &clients[i]
		if s.shard == nil {
			continue
		}
		s.shard.mu.Lock()
		if s.away {
			all++
			if !s.gone {
				coming++
			}
		}
		s.shard.mu.Unlock()
	}
	return all, coming
}

// missing returns how many stored records clients do not have, of those that have subscribed.
func missing(p *publisher, clients []subscriber) (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range clients {
		s := &clients[i]
		if s.shard == nil {
			continue
		}
		s.shard.mu.Lock()
		if s.begun {
			n += p.stored.missing(&s.got)
		}
		s.shard.mu.Unlock()
	}
	return n
}
