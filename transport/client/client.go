package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Defaults of Config.
const (
	DefaultMinBackoff   = 500 * time.Millisecond
	DefaultMaxBackoff   = 30 * time.Second
	DefaultMessageBytes = 8 << 20
)

// Config configures a Client. Zero fields get the defaults that their comments
// name.
type Config struct {
	// URL is the server's address: http or https, with a path if the server is
	// not at the root.
	URL string

	// Token returns the bearer token to use from now on. It is called for each
	// connection and each request, and again before a token expires, from several
	// goroutines concurrently. If its error wraps ErrNoToken, a subscription ends;
	// after other errors it tries again. If it is nil, the client is anonymous.
	Token func(context.Context) (string, error)

	// HTTPClient makes the requests and handshakes; nil means a client without a
	// timeout. It must not have a Timeout, which would end subscriptions. Without a
	// CheckRedirect, redirects are not followed: they would take the token to another
	// server, and make a GET of a POST.
	HTTPClient *http.Client

	// MinBackoff and MaxBackoff bound the wait before a new connection: the n-th
	// attempt in a row waits between 0 and MinBackoff·2ⁿ, at most MaxBackoff. The
	// defaults are DefaultMinBackoff and DefaultMaxBackoff.
	MinBackoff, MaxBackoff time.Duration

	// MessageBytes bounds a message from the server; a larger one ends the
	// subscription. The default is DefaultMessageBytes.
	MessageBytes int64
}

// Client is a client of one server. Its methods are safe for concurrent use.
type Client struct {
	config Config
	base   *url.URL
	// plain has the streams that take no message ids.
	plain *sync.Map
}

// New checks the configuration and returns a client. It does not connect.
func New(config Config) (*Client, error) {
	base, err := url.Parse(config.URL)
	if err != nil && strings.Contains(config.URL, "://") {
		return nil, fmt.Errorf("read URL: %w", err)
	}
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("read URL %q: http:// or https:// and a host are required", config.URL)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		// Not printed, because it may contain a secret.
		return nil, errors.New("read URL: credentials, query and fragment are not allowed")
	}
	if config.HTTPClient == nil {
		config.HTTPClient = &http.Client{}
	}
	if config.HTTPClient.Timeout != 0 {
		return nil, errors.New("an HTTP client with a Timeout would end subscriptions: limit requests by their contexts")
	}
	if config.HTTPClient.CheckRedirect == nil {
		own := *config.HTTPClient
		own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		config.HTTPClient = &own
	}
	if config.MinBackoff == 0 {
		config.MinBackoff = DefaultMinBackoff
	}
	if config.MaxBackoff == 0 {
		config.MaxBackoff = max(DefaultMaxBackoff, config.MinBackoff)
	}
	if config.MinBackoff < 0 || config.MaxBackoff < config.MinBackoff {
		return nil, fmt.Errorf("backoff from %v to %v is not a valid range", config.MinBackoff, config.MaxBackoff)
	}
	if config.MessageBytes == 0 {
		config.MessageBytes = DefaultMessageBytes
	}
	return &Client{config: config, base: base, plain: &sync.Map{}}, nil
}

// endpoint returns the URL of a path below the base.
func (c *Client) endpoint(parts ...string) string {
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return c.base.JoinPath(parts...).String()
}

// authorize adds the token to a request's header.
func (c *Client) authorize(ctx context.Context, header http.Header) error {
	if c.config.Token == nil {
		return nil
	}
	token, err := c.config.Token(ctx)
	if err != nil {
		return fmt.Errorf("obtain token: %w", err)
	}
	header.Set("Authorization", "Bearer "+token)
	return nil
}
