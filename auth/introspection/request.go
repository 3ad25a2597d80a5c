package introspection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"sluice/auth"
)

const (
	// MaxInFlight bounds the requests to the server at the same time.
	MaxInFlight = 64
	// maxAnswer bounds an answer, in bytes. Most of one is kept as claims.
	maxAnswer = 16 << 10
)

// server is the authorization server.
type server struct {
	address  string
	clientID string
	secret   auth.Secret
	timeout  time.Duration
	client   *http.Client
}

// newClient returns a client that sends requests to the server only, with some
// connections kept open.
func newClient(given *http.Client) *http.Client {
	own := http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:    MaxInFlight,
		MaxConnsPerHost:        MaxInFlight,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}}
	if given != nil {
		own = *given
	}
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

func checkURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("the URL has no host")
	case u.User != nil:
		return errors.New("the URL contains a user name or password")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return errors.New("the URL is not https: tokens and the client's secret would be sent in the clear")
	}
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// ask asks about a token (RFC 7662 section 2.1), and returns the body of the answer.
// The error contains nothing of the token or of the answer.
func (s *server) ask(ctx context.Context, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the URL cannot be requested")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// Both parts are encoded first (RFC 6749 section 2.3.1).
	request.SetBasicAuth(url.QueryEscape(s.clientID), url.QueryEscape(s.secret.Reveal()))
	response, err := s.client.Do(request)
	if err != nil {
		if said := (*url.Error)(nil); errors.As(err, &said) {
			return nil, said.Err // without the address, whose query may hold a key
		}
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		err := fmt.Errorf("the authorization server answered with status %d%s", response.StatusCode, hint(response.StatusCode))
		if byToken(response.StatusCode) {
			err = &tokenError{err}
		}
		return nil, err
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, errors.New("the authorization server's answer is not application/json")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case len(body) > maxAnswer:
		return nil, &tokenError{fmt.Errorf("the authorization server's answer is larger than %d bytes", maxAnswer)}
	}
	return body, nil
}

// tokenError is a failure that another token need not have. Anybody can send a token that a
// server, or what is before it, does not like: it must not keep others from being asked about.
type tokenError struct{ error }

// Unwrap returns the failure.
func (e *tokenError) Unwrap() error { return e.error }

// byToken reports whether a status may be for what is in the request.
func byToken(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge:
		return true
	}
	return false
}

// hint says what an operator can do about a status.
func hint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ": check client_id and client_secret_file"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return ": check url"
	default:
		return ""
	}
}
