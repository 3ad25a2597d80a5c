package measure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Transports are how clients can subscribe.
var Transports = []string{WebSocket, SSE}

// The transports.
const (
	WebSocket = "websocket"
	SSE       = "sse"
)

// Bounds of a Config.
const (
	MaxClients  = 50_000
	MaxRate     = 100_000
	MaxDuration = time.Hour
	MaxSize     = 1 << 20
)

// What may be asked of a server on another machine without saying that it is meant.
const (
	ModestClients  = 100
	ModestRate     = 100
	ModestDuration = 2 * time.Minute
)

// Config configures a Run.
type Config struct {
	// URL is the server's.
	URL string
	// Tokens return bearer tokens, for each connection and request. They are handed out to the clients
	// in turn, and to the records that are published; without any, all are anonymous.
	Tokens []func(context.Context) (string, error)
	// TLS says how servers are verified; nil for the defaults.
	TLS    *tls.Config
	Stream string
	// Transport is one of Transports.
	Transport string
	Clients   int
	// ConnectRate is how many clients connect a second.
	ConnectRate float64
	// Duration is the length of the window.
	Duration time.Duration
	// Rate is how many records a second are published; 0 for none.
	Rate float64
	// Value is the value of the records, in JSON.
	Value []byte
	// Patience is how long records are waited for after the window.
	Patience time.Duration
	// Progress is called from time to time; it may be nil.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Connected, Failed int
	// Away are those that have lost their connection, and are not back.
	Away int
	// Part of the window that is over, negative before it.
	Part    float64
	Records int64
}

// token returns the n-th of the tokens that are handed out in turn, nil for none.
func (c *Config) token(n int64) func(context.Context) (string, error) {
	if len(c.Tokens) == 0 {
		return nil
	}
	return c.Tokens[n%int64(len(c.Tokens))]
}

// Check returns what is wrong with the configuration.
func (c *Config) Check() error {
	switch {
	case c.Stream == "":
		return errors.New("a stream is required")
	case !slices.Contains(Transports, c.Transport):
		return fmt.Errorf("the transport must be one of %s", strings.Join(Transports, ", "))
	case c.Clients < 1 || c.Clients > MaxClients:
		return fmt.Errorf("%d clients: must be 1 to %d", c.Clients, MaxClients)
	case !(c.ConnectRate > 0 && c.ConnectRate <= MaxClients):
		return fmt.Errorf("%g connections a second: must be above 0, up to %d", c.ConnectRate, MaxClients)
	case c.Duration < time.Second || c.Duration > MaxDuration:
		return fmt.Errorf("%v: must be 1s to %v", c.Duration, MaxDuration)
	case !(c.Rate >= 0 && c.Rate <= MaxRate):
		return fmt.Errorf("%g records a second: must be 0 to %d", c.Rate, MaxRate)
	case len(c.Value) > MaxSize:
		return fmt.Errorf("a value of %d bytes: must be at most %d", len(c.Value), MaxSize)
	}
	return nil
}

// Modest returns an error if the run asks much of a server on another machine.
func (c *Config) Modest() error {
	if isLoopback(c.URL) {
		return nil
	}
	switch {
	case c.Clients > ModestClients:
		return fmt.Errorf("%d clients are more than %d", c.Clients, ModestClients)
	case c.Rate > ModestRate:
		return fmt.Errorf("%g records a second are more than %d", c.Rate, ModestRate)
	case c.Duration > ModestDuration:
		return fmt.Errorf("%v is longer than %v", c.Duration, ModestDuration)
	}
	return nil
}

func isLoopback(server string) bool {
	parsed, err := url.Parse(server)
	if err != nil {
		return false
	}
	host := parsed.Hostname()
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// filesBeside is how many files a run needs beside the connections of its clients.
const filesBeside = 64

// Files returns how many open files the run needs.
func (c *Config) Files() int {
	files := c.Clients + filesBeside
	if c.Rate > 0 {
		files += publishAtOnce
	}
	return files
}
