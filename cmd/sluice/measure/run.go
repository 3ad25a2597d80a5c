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
}

// ErrNone means that no client could subscribe.
var ErrNone = errors.New("no client could subscribe")

// Run measures. When the context ends, it returns what it has measured until then. The error is
// ErrNone, beside the report, or what is wrong with the configuration.
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
	r.http = &http.Client{Transport: r.transport()}
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
		return r.report(p, clients, connecting, 0, 0), ErrNone
	}
	r.window(ctx, p, begin)
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
		TLSHandshakeTimeout: connectWithin,
		DisableCompression:  true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &counted{Conn: conn, read: &r.read}, nil
		},
	}
}

// counted is a connection that counts what is read.
type counted struct {
	net.Conn
	read *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

func (r *run) authorize(ctx context.Context, header http.Header) error {
	if r.config.Token == nil {
		return nil
	}
	token, err := r.config.Token(ctx)
	if err != nil {
		return fmt.Errorf("obtain token: %w", err)
	}
	header.Set("Authorization", "Bearer "+token)
	return nil
}

func newPublisher(c *Config, run string) (*publisher, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = publishAtOnce, publishAtOnce
	made, err := client.New(client.Config{URL: c.URL, Token: c.Token, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		return nil, err
	}
	return &publisher{client: made, config: c, run: run, errors: map[string]int{}, took: newHistogram()}, nil
}

// connect starts the clients at their rate, and waits until each has subscribed or failed.
func (r *run) connect(ctx, reading context.Context, clients []subscriber, all *sync.WaitGroup) {
	begin := time.Now()
	started := 0
	r.wait(ctx, func() (time.Duration, bool) {
		due := int(time.Since(begin).Seconds()*r.config.ConnectRate) + 1
		for ; started < min(due, len(clients)); started++ {
			s := &clients[started]
			s.run, s.shard = r, &r.tally.shards[started%shards]
			all.Go(func() { s.subscribe(reading) })
		}
		begun, failed := r.tally.connections()
		return 10 * time.Millisecond, started == len(clients) && begun+failed >= started
	}, -1)
}

// window waits for the end of the window, and publishes meanwhile.
func (r *run) window(ctx context.Context, p *publisher, begin time.Time) {
	end := begin.Add(r.config.Duration)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	if r.config.Rate > 0 {
		publishing.Go(func() { p.publish(ctx, begin, end) })
	}
	r.wait(ctx, func() (time.Duration, bool) {
		left := time.Until(end)
		return min(left, progressEvery), left <= 0
	}, float64(begin.UnixNano()))
}

// drain waits until all clients have what was published.
func (r *run) drain(ctx context.Context, p *publisher, clients []subscriber) {
	end := time.Now().Add(r.config.Patience)
	r.wait(ctx, func() (time.Duration, bool) {
		return 20 * time.Millisecond, missing(p, clients) == 0 || time.Now().After(end)
	}, -1)
}

// wait calls a function until it is done or the context ends. begin is that of the window in Unix
// nanoseconds, negative outside of it.
func (r *run) wait(ctx context.Context, next func() (time.Duration, bool), begin float64) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var told time.Time
	for {
		pause, done := next()
		if now := time.Now(); r.config.Progress != nil && now.Sub(told) >= progressEvery {
			told = now
			progress := Progress{Part: -1, Records: r.tally.received()}
			progress.Connected, progress.Failed = r.tally.connections()
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

// missing returns how many stored records clients do not have, of those that are still there.
func missing(p *publisher, clients []subscriber) (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range clients {
		s := &clients[i]
		if s.shard == nil {
			continue
		}
		s.shard.mu.Lock()
		if !s.left && s.begun {
			n += p.stored.missing(&s.got)
		}
		s.shard.mu.Unlock()
	}
	return n
}
