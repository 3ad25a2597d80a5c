package app

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"sluice/auth"
	"sluice/auth/redisauth"
	"sluice/cmd/sluice/config"
	"sluice/transport"
)

// loadWithin bounds how long the start waits for the revocations in Redis.
const loadWithin = 5 * time.Second

// sharedAuth is what all instances must agree on about credentials.
type sharedAuth struct {
	revocations *auth.Revocations

	// Nil without Redis; tickets also if they are not enabled.
	connection *redisauth.Connection
	tickets    *redisauth.Tickets
	store      *redisauth.Revocations
}

// newSharedAuth makes the revocations, and the tickets if they are enabled.
func newSharedAuth(c *config.Config, logger *slog.Logger) (*sharedAuth, error) {
	made := &sharedAuth{}
	var err error
	if made.revocations, err = auth.NewRevocations(auth.RevocationsConfig{
		Keep:        c.Auth.Revocations.Keep,
		Max:         c.Auth.Revocations.Max,
		TenantClaim: c.Auth.Revocations.TenantClaim,
		ClockSkew:   c.Auth.ClockSkew,
	}); err != nil || !c.Redis.Configured() {
		return made, err
	}
	options, err := redisOptions(c.Redis)
	if err != nil {
		return nil, err
	}
	if made.connection, err = redisauth.New(redisauth.Config{
		Redis: options, Prefix: redisPrefix, Timeout: c.Redis.Timeout, Logger: logger,
	}); err != nil {
		return nil, err
	}
	if made.store, err = redisauth.NewRevocations(made.connection, redisauth.RevocationsConfig{
		Set: made.revocations, Poll: c.Auth.Revocations.Poll,
	}); err != nil {
		return nil, err
	}
	if t := c.Auth.Tickets; t != nil {
		made.tickets, err = redisauth.NewTickets(made.connection, redisauth.TicketsConfig{
			TTL: t.TTL, PerPrincipal: t.PerPrincipal, Now: time.Now,
		})
	}
	return made, err
}

// configure adds revocations and tickets to a configuration.
func (s *sharedAuth) configure(c *auth.Config) {
	c.Revocations = s.revocations
	if s.tickets != nil {
		c.Verifiers = append(c.Verifiers, s.tickets)
	}
}

// transport adds them to the configuration of the server.
func (s *sharedAuth) transport(c *transport.Config, cookie *config.Cookie) {
	if s.tickets != nil {
		c.Tickets = s.tickets
		c.Credentials.Tickets = true
	}
	if s.store != nil {
		c.Revocations = s.store
	}
	if cookie != nil {
		c.Cookie = sameSite[cookie.SameSite]
	}
}

// sameSite has the attribute for each value in the configuration.
var sameSite = map[string]http.SameSite{
	"strict": http.SameSiteStrictMode, "lax": http.SameSiteLaxMode, "none": http.SameSiteNoneMode,
}

// parts returns the parts that keep revocations up to date. Revocations are loaded
// before the parts that come later serve clients. If Redis is away, those are served
// all the same.
func (s *sharedAuth) parts() []part {
	if s.store == nil {
		return nil
	}
	return []part{
		{name: "connections to redis for credentials", run: func(ctx context.Context) error {
			<-ctx.Done()
			return s.connection.Close()
		}},
		{name: "revocations", start: func(ctx context.Context) error {
			bounded, cancel := context.WithTimeout(ctx, loadWithin)
			defer cancel()
			_ = s.store.Load(bounded) // it logs that revocations are unknown, and a check says so
			return ctx.Err()
		}, run: s.store.Run},
	}
}
