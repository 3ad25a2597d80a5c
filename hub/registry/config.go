package registry

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Config configures a Registry.
type Config struct {
	// URLs are those of the instances of the registry, which are tried in this order.
	URLs []string
	// Username and Secret authenticate requests: with both by Basic, with a Secret alone by
	// Bearer. Secret is called for every request, so that it can be exchanged; nil for
	// neither. Its error must not contain it.
	Username string
	Secret   func() (string, error)
	// TLS is nil for the system's authorities.
	TLS *tls.Config
	// Timeout bounds a request to one URL.
	Timeout time.Duration
	// Refresh is the time between two requests for the latest version of a subject.
	Refresh time.Duration
	// Wait is how long what was read is kept back for a schema that is not known, counted
	// from the first value with its id. Later values are passed on at once.
	Wait time.Duration
	// Bounds are those of what is kept by id.
	Bounds Bounds
	// Logger logs which schemas come into force, and when one cannot be had.
	Logger *slog.Logger
}

// Bounds are those of the schemas that values were written with.
type Bounds struct {
	// Schemas is how many are kept, and Bytes how many bytes their texts take.
	Schemas, Bytes int
	// Awaited is how many are asked for at the same time. Values with other ids do not wait.
	Awaited int
}

// authorize adds the credential to a request.
func (c *Config) authorize(r *http.Request) error {
	if c.Secret == nil {
		return nil
	}
	secret, err := c.Secret()
	switch {
	case err != nil:
		return &requestError{Refused, fmt.Errorf("read the credential: %w", err)}
	case c.Username != "":
		r.SetBasicAuth(c.Username, secret)
	default:
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	return nil
}
