package transit

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswer bounds an answer.
	maxAnswer = 1 << 20
	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
)

// Config configures a Client.
type Config struct {
	// URL is Vault's, without /v1. Mount is the path of the engine, such as transit, and
	// Key the name of its key.
	URL, Mount, Key string
	// Token returns the token that may use the key.
	Token func() string
	// TLS is nil for the system's authorities.
	TLS *tls.Config
	// Timeout bounds one request.
	Timeout time.Duration
}

// Client encrypts and decrypts with a key of Vault. It is safe for concurrent use.
type Client struct {
	base    string
	key     string
	token   func() string
	timeout time.Duration
	http    *http.Client
}

// New returns a client, which connects to nothing yet.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.URL)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("the URL of Vault is not scheme://host[:port], without user, query and fragment")
	case c.Mount == "" || c.Key == "" || c.Token == nil || c.Timeout <= 0:
		return nil, errors.New("a mount, a key, a token and a timeout are required")
	}
	return &Client{
		base: base.JoinPath("v1", c.Mount).String(), key: url.PathEscape(c.Key), token: c.Token, timeout: c.Timeout,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				TLSClientConfig:        c.TLS,
				DisableKeepAlives:      true, // the next request is at the next reload
				MaxResponseHeaderBytes: maxHeader,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// exchange is what is sent to Vault, and what it returns in data.
type exchange struct {
	Plaintext  string `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
	Associated string `json:"associated_data,omitempty"`
}

var errAnswer = errors.New("the answer is not one of the transit engine")

// EncryptWithContext returns the ciphertext of a plaintext.
func (c *Client) EncryptWithContext(ctx context.Context, plaintext, associatedData []byte) ([]byte, error) {
	got, err := c.ask(ctx, "encrypt", exchange{Plaintext: base64.StdEncoding.EncodeToString(plaintext), Associated: base64.StdEncoding.EncodeToString(associatedData)})
	if err != nil {
		return nil, fmt.Errorf("encrypt with Vault: %w", err)
	}
	if !strings.HasPrefix(got.Ciphertext, "vault:") {
		return nil, fmt.Errorf("encrypt with Vault: %w", errAnswer)
	}
	return []byte(got.Ciphertext), nil
}

// DecryptWithContext returns the plaintext of a ciphertext.
func (c *Client) DecryptWithContext(ctx context.Context, ciphertext, associatedData []byte) ([]byte, error) {
	got, err := c.ask(ctx, "decrypt", exchange{Ciphertext: string(ciphertext), Associated: base64.StdEncoding.EncodeToString(associatedData)})
	if err != nil {
		return nil, fmt.Errorf("decrypt with Vault: %w", err)
	}
	plaintext, err := base64.StdEncoding.DecodeString(got.Plaintext)
	if err != nil || len(plaintext) == 0 {
		return nil, fmt.Errorf("decrypt with Vault: %w", errAnswer)
	}
	return plaintext, nil
}

func (c *Client) ask(ctx context.Context, operation string, question exchange) (exchange, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return exchange{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/"+operation+"/"+c.key, bytes.NewReader(body))
	if err != nil {
		return exchange{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Vault-Request", "true")
	request.Header.Set("X-Vault-Token", c.token())
	response, err := c.http.Do(request)
	if err != nil {
		return exchange{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return exchange{}, statusError(response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return exchange{}, fmt.Errorf("read answer: %w", err)
	}
	if len(text) > maxAnswer {
		return exchange{}, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	var answer struct {
		Data exchange `json:"data"`
	}
	if json.Unmarshal(text, &answer) != nil { // which may quote the text
		return exchange{}, errAnswer
	}
	return answer.Data, nil
}

// statusError is the status of an answer that is not 200.
type statusError int

// Error implements error.
func (s statusError) Error() string {
	hint := ""
	switch {
	case s == http.StatusBadRequest:
		hint = ": what was sent was not made with this key"
	case s == http.StatusForbidden:
		hint = ": the token is not valid, or may not use the key"
	case s == http.StatusNotFound:
		hint = ": there is no such engine or key"
	case s == http.StatusServiceUnavailable:
		hint = ": Vault is sealed"
	case s >= 300 && s < 400:
		hint = ", a redirect, which is not followed"
	}
	return fmt.Sprintf("the answer has the status %d%s", int(s), hint)
}
