package introspection

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"

	"sluice/auth"
)

const (
	// tripAfter is the number of failures in a row after which the breaker opens. One that is
	// for a token does not count.
	tripAfter = 5
	// probeEvery is how long the breaker stays open before one request is let through.
	probeEvery = 2 * time.Second
)

// Config configures which server is asked, and what its answers must say.
type Config struct {
	// Issuer is the issuer of the principals. If an answer has `iss`, it must be equal.
	Issuer string
	// URL is the introspection endpoint.
	URL string
	// ClientID and ClientSecret authenticate this server at the endpoint (RFC 6749
	// section 2.3.1).
	ClientID     string
	ClientSecret auth.Secret
	// Audience must be in the `aud` of an answer. Empty for any.
	Audience string
	// Details are the streams that answers may grant rights on in
	// `authorization_details` (RFC 9396 section 9.2). The zero value ignores the member.
	Details auth.Details
	// Claimed reports whether tokens that name an issuer are verified otherwise. Nil
	// leaves all tokens with the looks of a JWT to others.
	Claimed func(issuer string) bool
	// CacheFor and RefusedFor are how long positive and negative answers are used. 0
	// asks at every use.
	CacheFor, RefusedFor time.Duration
	// Lifetime is how long a token counts whose answer has no `exp`: a session must be
	// renewed within that time.
	Lifetime time.Duration
	// ClockSkew is the allowed difference between the server's clock and this one's.
	ClockSkew time.Duration
	// Timeout bounds a request from dialling to the last byte.
	Timeout time.Duration
	// HTTPClient makes the requests. Its cookie jar and redirect policy are not used.
	// Nil means a client with the system's roots and the environment's proxy.
	HTTPClient *http.Client
	// Logger logs when the server becomes unavailable and available again.
	Logger *slog.Logger
}

// Introspector is an auth.Verifier of tokens that a server knows. All methods are safe
// for concurrent use.
type Introspector struct {
	server     *server
	breaker    *gobreaker.CircuitBreaker[struct{}]
	reading    reading
	claimed    func(issuer string) bool
	cacheFor   time.Duration
	refusedFor time.Duration
	log        *slog.Logger
	answers    *answers
}

var _ auth.Verifier = (*Introspector)(nil)

// New returns the verifier. It makes no requests.
func New(config Config) (*Introspector, error) {
	switch {
	case config.Issuer == "":
		return nil, errors.New("new introspection: no issuer")
	case config.ClientID == "" || config.ClientSecret.IsZero():
		return nil, errors.New("new introspection: no client ID or no secret")
	case config.Timeout <= 0 || config.Lifetime <= 0:
		return nil, errors.New("new introspection: no timeout, or no lifetime of tokens")
	case config.Logger == nil:
		return nil, errors.New("new introspection: no logger")
	}
	if err := checkURL(config.URL); err != nil {
		return nil, fmt.Errorf("new introspection: %w", err)
	}
	i := &Introspector{
		server: &server{
			address: config.URL, clientID: config.ClientID, secret: config.ClientSecret,
			timeout: config.Timeout, client: newClient(config.HTTPClient),
		},
		reading:    reading{issuer: config.Issuer, audience: config.Audience, clockSkew: config.ClockSkew, lifetime: config.Lifetime, details: config.Details},
		claimed:    config.Claimed,
		cacheFor:   config.CacheFor,
		refusedFor: config.RefusedFor,
		log:        config.Logger,
		answers:    newAnswers(),
	}
	i.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          "introspection",
		Timeout:       probeEvery,
		IsExcluded:    func(err error) bool { return errors.As(err, new(*tokenError)) },
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= tripAfter },
		OnStateChange: func(_ string, from, to gobreaker.State) { i.noteBreaker(from, to) },
	})
	return i, nil
}

// Close closes the connections to the server that are not in use.
func (i *Introspector) Close() { i.server.client.CloseIdleConnections() }

func (i *Introspector) noteBreaker(from, to gobreaker.State) {
	switch {
	case to == gobreaker.StateClosed:
		i.log.Info("token introspection is available again")
	case from == gobreaker.StateClosed:
		i.log.Warn("token introspection is unavailable; refusing tokens that are not in the cache", "failures", tripAfter, "tried_every", probeEvery)
	}
}

// Verify implements auth.Verifier.
func (i *Introspector) Verify(ctx context.Context, c auth.Credential) (*auth.Identity, error) {
	if c.IsAPIKey() || c.Scheme != auth.SchemeBearer && c.Scheme != auth.SchemeDPoP {
		return nil, auth.ErrOtherCredential
	}
	token := c.Token.Reveal()
	if isJWT, issuer := shape(token); isJWT && (i.claimed == nil || i.claimed(issuer)) {
		return nil, auth.ErrOtherCredential
	}
	of := digest(sha256.Sum256([]byte(token)))
	known, ok, q, mine := i.answers.find(of, time.Now())
	switch {
	case ok:
		return known.identity, known.err
	case q == nil:
		return nil, fmt.Errorf("%w: too many tokens are being introspected", auth.ErrVerifierUnavailable)
	case mine:
		// Other callers wait for this request too, so it does not end with the client
		// that started it.
		i.answer(context.WithoutCancel(ctx), of, q, token)
	}
	select {
	case <-q.done:
		return q.identity, q.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for introspection: %w", ctx.Err())
	}
}

// answer asks the server and gives its answer to all who wait for it.
func (i *Introspector) answer(ctx context.Context, of digest, q *question, token string) {
	id, err := (*auth.Identity)(nil), errPanicked
	var until time.Time
	// Those who wait are answered, and the place is free again, if asking panics.
	defer func() { i.answers.finish(of, q, id, err, until) }()
	id, err = i.ask(ctx, token)
	switch now := time.Now(); {
	case err == nil:
		until = now.Add(i.cacheFor)
		if id.ExpiresAt.Before(until) {
			until = id.ExpiresAt
		}
	case errors.Is(err, auth.ErrVerifierUnavailable):
	default:
		until = now.Add(i.refusedFor)
	}
}

// errPanicked is what those learn who wait for a request that panics.
var errPanicked = fmt.Errorf("%w: introspecting a token panicked", auth.ErrVerifierUnavailable)

func (i *Introspector) ask(ctx context.Context, token string) (id *auth.Identity, err error) {
	var refused error
	_, err = i.breaker.Execute(func() (struct{}, error) {
		body, err := i.server.ask(ctx, token)
		if err != nil {
			return struct{}{}, err
		}
		id, err = i.reading.identity(body, time.Now())
		if errors.Is(err, auth.ErrUnauthenticated) || errors.Is(err, auth.ErrTokenExpired) {
			id, refused = nil, err
			return struct{}{}, nil // the server does its work
		}
		if err != nil {
			err = &tokenError{err}
		}
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: introspect token: %w", auth.ErrVerifierUnavailable, err)
	}
	return id, refused
}
