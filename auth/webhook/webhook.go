package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"sluice/auth"
)

// Issuer is the issuer of the principals that the service has identified.
const Issuer = "webhook"

// Event is what the service is asked about.
type Event string

// The events.
const (
	Connect   Event = "connect"
	Subscribe Event = "subscribe"
	Publish   Event = "publish"
)

const (
	// TripAfter is the number of failures in a row after which the circuit breaker
	// opens.
	TripAfter = 5
	// ProbeEvery is the time after which the open breaker lets one request through.
	ProbeEvery = 2 * time.Second
	// MaxAnswerBytes bounds an answer.
	MaxAnswerBytes = 16 << 10
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 16 << 10
	// idleConnection is how long a connection to the service is kept.
	idleConnection = 30 * time.Second
)

// Config configures a Hook. All fields without a remark are required.
type Config struct {
	// URL is the service's.
	URL string
	// Timeout bounds one request, from dialing to the last byte of the answer.
	Timeout time.Duration
	// Events are those that the service is asked about.
	Events []Event
	// CacheFor is how long an answer is used for the same question, 0 for only as
	// long as the request takes.
	CacheFor time.Duration
	// CacheEntries bounds the answers that are cached: so many of yes, and so many
	// of no.
	CacheEntries int
	// Lifetime is how long an identity is valid at most, and if the service does not
	// say.
	Lifetime time.Duration
	// Concurrency bounds the requests at a time.
	Concurrency int
	// Secret authenticates the server to the service. The zero value is none.
	Secret auth.Secret
	// Bearer sends the secret as a bearer token, in place of a signature.
	Bearer bool
	// Observe is called with what came of each question, and how long the request took if
	// there was one. It must not block. Nil for nothing to be called.
	Observe func(e Event, o Outcome, took time.Duration)
	// Client sends the requests. Its cookie jar and redirect policy are not used. Nil
	// means a client with the system's roots and the environment's proxy.
	Client *http.Client
	// Logger logs when the service fails, and when it answers again.
	Logger *slog.Logger
}

// Hook asks the service. All methods are safe for concurrent use.
type Hook struct {
	// Immutable.
	url         string
	timeout     time.Duration
	events      []Event
	cacheFor    time.Duration
	lifetime    time.Duration
	concurrency int
	sign        signer
	client      *http.Client
	log         *slog.Logger
	observe     func(Event, Outcome, time.Duration)
	breaker     *gobreaker.CircuitBreaker[verdict]

	mu         sync.Mutex
	requests   int // in flight
	inFlight   map[digest]*flight
	yes, no    cache
	generation int // of the cache
}

// New validates the configuration. It makes no requests.
func New(c Config) (*Hook, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("new webhook: the URL is not an http or https URL")
	case u.User != nil || u.Fragment != "":
		return nil, errors.New("new webhook: the URL contains a user name, a password or a fragment")
	case c.Timeout <= 0 || c.CacheFor < 0 || c.CacheEntries < 1 || c.Lifetime <= 0 || c.Concurrency < 1:
		return nil, errors.New("new webhook: a limit is missing or negative")
	case len(c.Events) == 0:
		return nil, errors.New("new webhook: no events")
	case c.Logger == nil:
		return nil, errors.New("new webhook: no logger")
	}
	for _, event := range c.Events {
		if event != Connect && event != Subscribe && event != Publish {
			return nil, fmt.Errorf("new webhook: unknown event %q", event)
		}
	}
	sign, err := newSigner(c.Secret, c.Bearer)
	if err != nil {
		return nil, fmt.Errorf("new webhook: %w", err)
	}
	h := &Hook{
		url:         c.URL,
		timeout:     c.Timeout,
		events:      slices.Clone(c.Events),
		cacheFor:    c.CacheFor,
		lifetime:    c.Lifetime,
		concurrency: c.Concurrency,
		sign:        sign,
		client:      newClient(c.Client, c.Concurrency),
		log:         c.Logger,
		observe:     c.Observe,
		inFlight:    make(map[digest]*flight),
		yes:         newCache(c.CacheEntries),
		no:          newCache(c.CacheEntries),
	}
	h.breaker = gobreaker.NewCircuitBreaker[verdict](gobreaker.Settings{
		Name:          "webhook",
		Timeout:       ProbeEvery,
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= TripAfter },
		IsSuccessful:  func(err error) bool { return !errors.Is(err, errAway) },
		OnStateChange: func(_ string, from, to gobreaker.State) { h.note(from, to) },
	})
	return h, nil
}

// newClient returns a client that follows no redirects and keeps no cookies.
func newClient(client *http.Client, connections int) *http.Client {
	own := http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:    connections,
		MaxConnsPerHost:        connections,
		IdleConnTimeout:        idleConnection,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ForceAttemptHTTP2:      true,
	}}
	if client != nil {
		own = *client
	}
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Asks reports whether the service is asked about an event.
func (h *Hook) Asks(e Event) bool { return slices.Contains(h.events, e) }

// Run closes idle connections when the context ends, and returns nil.
func (h *Hook) Run(ctx context.Context) error {
	<-ctx.Done()
	h.client.CloseIdleConnections()
	return nil
}

// Open reports whether the service has failed, and is not asked at the moment.
func (h *Hook) Open() bool { return h.breaker.State() == gobreaker.StateOpen }

// Check returns why the service is not asked at the moment, or nil.
func (h *Hook) Check(context.Context) error {
	if h.Open() {
		return fmt.Errorf("the last %d requests have failed", TripAfter)
	}
	return nil
}

// note logs that the service fails and that it answers again. Failed probes in
// between are not logged.
func (h *Hook) note(from, to gobreaker.State) {
	switch {
	case to == gobreaker.StateClosed:
		h.log.Info("the webhook answers again")
	case from == gobreaker.StateClosed:
		h.log.Warn("the webhook fails; refusing what it would be asked about", "failed_requests", TripAfter, "tried_every", ProbeEvery)
	}
}
