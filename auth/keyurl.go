package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// KeysRetryAfter is the time after which an unknown key is looked up again at
	// the latest: unknown key ids, which anybody can make up, cause at most one
	// request to the issuer in this time.
	KeysRetryAfter = 30 * time.Second

	// keysEvery is the interval of periodic fetches. A key that the issuer has
	// withdrawn is accepted for no longer than this.
	keysEvery = 10 * time.Minute
	// keysFirstRetry is doubled after each consecutive failure, up to
	// KeysRetryAfter.
	keysFirstRetry = time.Second
	// keysTimeout bounds one fetch from dialing to the last byte.
	keysTimeout = 5 * time.Second
	// maxMissing bounds how many key ids are remembered as not found.
	maxMissing = 1000
)

// urlKeys are the keys that an issuer publishes at a URL (RFC 7517 section 5), which is
// configured or found by discovery. Redirects are not followed. The keys that were
// fetched last remain in use while the issuer is unreachable.
type urlKeys struct {
	place  place
	client *http.Client
	log    *slog.Logger

	set     atomic.Pointer[keySet] // nil before the first fetch
	changes atomic.Uint64

	mu sync.Mutex
	// running is the fetch in flight.
	running *fetch
	// last is the result of the latest fetch.
	last error
	// asked is when the latest fetch for an unknown key id began, and missing holds
	// the key ids that were not found by that fetch or a later one.
	asked   time.Time
	missing map[string]struct{}

	// Owned by the fetch in flight.
	content []byte
}

// fetch is one request for the keys, shared by all callers that wait for it.
type fetch struct {
	done chan struct{}
	err  error // set before done is closed
}

// place is where an issuer publishes its keys. Its methods are called by the fetch in
// flight only.
type place interface {
	// find returns the URL of the keys.
	find(ctx context.Context) (string, error)
	// failed is called after the keys could not be fetched from there.
	failed()
}

// fixedPlace is a URL of the configuration.
type fixedPlace string

func (p fixedPlace) find(context.Context) (string, error) { return string(p), nil }
func (p fixedPlace) failed()                              {}

var errNeverFetched = errors.New("the keys have not been fetched yet")

func newURLKeys(is Issuer, log *slog.Logger) (*urlKeys, error) {
	client := newClient(is.HTTPClient)
	keys := &urlKeys{client: client, log: log, last: errNeverFetched, missing: make(map[string]struct{})}
	if !is.Discovery {
		keys.place = fixedPlace(is.JWKSURL)
		return keys, checkKeysURL(is.JWKSURL, is.InsecureHTTP)
	}
	found, err := newDiscovery(is.Issuer, is.InsecureHTTP, client, log)
	keys.place = found
	return keys, err
}

func checkKeysURL(address string, insecure bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("the JWKS URL is not a URL")
	case u.Host == "" || u.Opaque != "":
		return errors.New("the JWKS URL has no host")
	case u.User != nil:
		return errors.New("the JWKS URL contains a user name or password")
	case u.Scheme == "https", u.Scheme == "http" && insecure:
		return nil
	default:
		return errors.New("the JWKS URL is not https: over http, the keys could be replaced in transit")
	}
}

func (u *urlKeys) find(ctx context.Context, id, algorithm string) (jwt.VerificationKeySet, error) {
	keys, known := u.set.Load().find(id, algorithm)
	if !known {
		if err := u.look(ctx, id); err != nil {
			return keys, err
		}
		keys, _ = u.set.Load().find(id, algorithm)
	}
	if len(keys.Keys) == 0 {
		return keys, errUnknownKey
	}
	return keys, nil
}

// look fetches the keys because of an unknown key id, or waits for the fetch in
// flight. Nil means that the keys are recent enough for a verdict on that id, not
// that it is among them.
func (u *urlKeys) look(ctx context.Context, id string) error {
	u.mu.Lock()
	running, mine := u.running, false
	if running == nil {
		if !u.asked.IsZero() && time.Since(u.asked) < KeysRetryAfter {
			_, lookedFor := u.missing[id]
			u.mu.Unlock()
			if lookedFor {
				return nil
			}
			// The key may be newer than the last fetch, so the token is not reported
			// as invalid.
			return fmt.Errorf("%w: unknown key ID, and the keys were requested too recently to request them again", ErrKeysUnavailable)
		}
		u.asked = time.Now()
		clear(u.missing)
		running, mine = u.begin(), true
	}
	u.mu.Unlock()

	if mine {
		// Other callers wait for this fetch too, so it does not end with the client
		// that started it.
		u.finish(context.WithoutCancel(ctx), running)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for keys: %w", ctx.Err())
	case <-running.done:
	}
	if running.err != nil {
		return fmt.Errorf("%w: unknown key ID, and fetching the issuer's keys failed", ErrKeysUnavailable)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.missing) < maxMissing {
		u.missing[id] = struct{}{}
	}
	return nil
}

// fetch requests the keys, or waits for the request in flight.
func (u *urlKeys) fetch(ctx context.Context) error {
	u.mu.Lock()
	running := u.running
	mine := running == nil
	if mine {
		running = u.begin()
	}
	u.mu.Unlock()
	if mine {
		u.finish(ctx, running)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-running.done:
		return running.err
	}
}

// begin requires mu. Its caller must call finish.
func (u *urlKeys) begin() *fetch {
	u.running = &fetch{done: make(chan struct{})}
	return u.running
}

func (u *urlKeys) finish(ctx context.Context, running *fetch) {
	running.err = u.get(ctx)

	u.mu.Lock()
	failedBefore := u.last != nil && !errors.Is(u.last, errNeverFetched)
	u.running, u.last = nil, running.err
	u.mu.Unlock()
	close(running.done)

	switch {
	case running.err != nil && ctx.Err() != nil: // we are stopping
	case running.err != nil && !failedBefore:
		u.log.Warn("fetching keys failed; retrying", "error", running.err)
	case running.err == nil && failedBefore:
		u.log.Info("fetching keys succeeded again")
	}
}

func (u *urlKeys) get(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	address, err := u.place.find(ctx)
	if err != nil {
		return err
	}
	if err := u.load(ctx, address); err != nil {
		u.place.failed()
		return err
	}
	return nil
}

func (u *urlKeys) load(ctx context.Context, address string) error {
	content, err := request(ctx, u.client, address, "application/jwk-set+json, application/json", maxKeySetBytes)
	if err != nil {
		return err
	}
	if bytes.Equal(content, u.content) {
		return nil
	}
	set, err := parseKeySet(content)
	if err != nil {
		return err
	}
	u.content = content
	u.set.Store(set)
	u.changes.Add(1)
	set.log(u.log, "fetched keys")
	return nil
}

func (u *urlKeys) run(ctx context.Context) {
	retry := keysFirstRetry
	for {
		pause := keysEvery
		if err := u.fetch(ctx); err != nil {
			pause, retry = retry, min(2*retry, KeysRetryAfter)
		} else {
			retry = keysFirstRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (u *urlKeys) version() uint64 { return u.changes.Load() }

func (u *urlKeys) ready() error {
	if u.set.Load() != nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}
