package bearer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 2 * MaxToken

// EndpointConfig configures an Endpoint.
type EndpointConfig struct {
	// URL is the token endpoint.
	URL string
	// ClientID and Secret authenticate the client (RFC 6749 section 2.3.1). Secret is
	// called for every request, so that a secret can be exchanged; its error must not
	// contain the secret.
	ClientID string
	Secret   func() (string, error)
	// InBody sends both in the body, for servers that do not accept them in a header.
	InBody bool
	// Scope is the requested scope, empty for the server's default.
	Scope string
	// Parameters are added to the request, such as audience and resource (RFC 8707).
	Parameters map[string]string
	// TLS is nil for the system's authorities.
	TLS *tls.Config
}

// ReservedParameters are parameters that EndpointConfig.Parameters cannot have.
var ReservedParameters = []string{"grant_type", "client_id", "client_secret", "scope"}

// Endpoint is a Source that asks a token endpoint (RFC 6749 section 4.4, KIP-768).
type Endpoint struct {
	config EndpointConfig
	client *http.Client
}

// NewEndpoint returns the source. It makes no requests.
func NewEndpoint(config EndpointConfig) (*Endpoint, error) {
	u, err := url.Parse(config.URL)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("new token endpoint: the URL has no host")
	case u.User != nil:
		return nil, errors.New("new token endpoint: the URL contains a user name or password")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, errors.New("new token endpoint: the URL is not https: the client's secret would be sent in the clear")
	case config.ClientID == "" || config.Secret == nil:
		return nil, errors.New("new token endpoint: no client ID or no secret")
	}
	for name := range config.Parameters {
		if slices.Contains(ReservedParameters, name) {
			return nil, fmt.Errorf("new token endpoint: the parameter %s is reserved", name)
		}
	}
	return &Endpoint{config: config, client: &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        config.TLS,
			DisableKeepAlives:      true, // a request is rare
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// Token implements Source.
func (e *Endpoint) Token(ctx context.Context) (Token, error) {
	request, err := e.request(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("request token: %w", err)
	}
	asked := time.Now()
	response, err := e.client.Do(request)
	if err != nil {
		if said := (*url.Error)(nil); errors.As(err, &said) {
			err = said.Err // without the address, whose query may hold a key
		}
		return Token{}, fmt.Errorf("request token: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return Token{}, fmt.Errorf("request token: read answer: %w", err)
	case len(body) > maxAnswer:
		return Token{}, fmt.Errorf("request token: the token endpoint's answer is larger than %d bytes", maxAnswer)
	case response.StatusCode != http.StatusOK:
		return Token{}, fmt.Errorf("request token: %w", readRefusal(response.StatusCode, body))
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return Token{}, errors.New("request token: the token endpoint's answer is not application/json")
	}
	token, err := readAnswer(body, asked)
	if err != nil {
		return Token{}, fmt.Errorf("request token: %w", err)
	}
	return token, nil
}

func (e *Endpoint) request(ctx context.Context) (*http.Request, error) {
	secret, err := e.config.Secret()
	if err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if e.config.Scope != "" {
		form.Set("scope", e.config.Scope)
	}
	for name, value := range e.config.Parameters {
		form.Set(name, value)
	}
	if e.config.InBody {
		form.Set("client_id", e.config.ClientID)
		form.Set("client_secret", secret)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.config.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the URL cannot be requested")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if !e.config.InBody {
		// Both parts are encoded first (RFC 6749 section 2.3.1).
		request.SetBasicAuth(url.QueryEscape(e.config.ClientID), url.QueryEscape(secret))
	}
	return request, nil
}
