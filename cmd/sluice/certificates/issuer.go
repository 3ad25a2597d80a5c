package certificates

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// Bounds of the requests to an ACME server.
const (
	issuerTimeout  = 30 * time.Second // of a request
	issuerAnswer   = 1 << 20          // bytes of an answer
	issuerWait     = 5 * time.Second  // between two looks at what the server does
	issuerAttempts = 4                // of a request that the server asks to repeat
	issuerPause    = 100 * time.Millisecond
)

// issuer makes the requests to an ACME server. They are bounded, follow no redirect,
// and end when stopWith's context does. Their URLs are those of the server's
// directory, as the protocol requires (RFC 8555, section 7.1).
type issuer struct {
	base http.RoundTripper
	stop atomic.Pointer[context.Context]
}

func newIssuer(caFile string) (*issuer, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	base.MaxResponseHeaderBytes = 64 << 10
	base.DisableKeepAlives = true // requests are months apart
	if caFile != "" {
		pool, err := LoadAuthorities(caFile)
		if err != nil {
			return nil, err
		}
		base.TLSClientConfig.RootCAs = pool
	}
	return &issuer{base: base}, nil
}

func (i *issuer) client() *http.Client {
	return &http.Client{
		Transport:     i,
		Timeout:       issuerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// stopWith makes requests end with the context.
func (i *issuer) stopWith(ctx context.Context) { i.stop.Store(&ctx) }

func (i *issuer) stopped() bool {
	ctx := i.stop.Load()
	return ctx != nil && (*ctx).Err() != nil
}

var errInsecure = errors.New("the ACME server refers to a URL that is not https")

// RoundTrip implements http.RoundTripper.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	if !IsDirectoryURL(r.URL.String()) {
		return nil, errInsecure
	}
	ctx, cancel := context.WithCancel(r.Context())
	release := cancel
	if stop := i.stop.Load(); stop != nil {
		end := context.AfterFunc(*stop, cancel)
		release = func() { end(); cancel() }
	}
	answer, err := i.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		release()
		return nil, fmt.Errorf("ask ACME server: %w", err)
	}
	answer.Body = &boundedBody{Reader: io.LimitReader(answer.Body, issuerAnswer), body: answer.Body, release: release}
	// The library sleeps between its requests for as long as the server says.
	if wait := answer.Header.Get("Retry-After"); wait != "" {
		const most = int(issuerWait / time.Second)
		if seconds, err := strconv.Atoi(wait); err != nil || seconds < 0 || seconds > most {
			answer.Header.Set("Retry-After", strconv.Itoa(most))
		}
	}
	return answer, nil
}

// retryAfter implements acme.Client.RetryBackoff: how long to wait before attempt n is
// repeated, 0 for no more. Most attempts are repeated because of a nonce that the
// server no longer accepts (RFC 8555, section 6.5), and can be at once.
func (i *issuer) retryAfter(n int, _ *http.Request, _ *http.Response) time.Duration {
	if n >= issuerAttempts || i.stopped() {
		return 0
	}
	return issuerPause << (n - 1)
}

// boundedBody is the body of an answer, which releases the request when it is closed.
type boundedBody struct {
	io.Reader
	body    io.Closer
	release func()
}

func (b *boundedBody) Close() error {
	defer b.release()
	return b.body.Close()
}

// IsDirectoryURL reports whether a URL may be asked for certificates: https, or http
// on loopback.
func IsDirectoryURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Host == "" || u.Fragment != "" {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || err == nil && address.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}
