package redisauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/auth"
)

// TicketsConfig configures tickets.
type TicketsConfig struct {
	// TTL is how long a ticket can be used, at least a millisecond.
	TTL time.Duration
	// PerPrincipal is how many tickets a principal is given in one TTL. 0 means any
	// number.
	PerPrincipal int
	Now          func() time.Time
}

// Tickets makes single-use tickets and accepts them. It is an auth.Verifier.
type Tickets struct {
	connection *Connection
	config     TicketsConfig
}

var _ auth.Verifier = (*Tickets)(nil)

// NewTickets returns the tickets that are kept over a connection.
func NewTickets(connection *Connection, config TicketsConfig) (*Tickets, error) {
	switch {
	case connection == nil || config.Now == nil:
		return nil, errors.New("new tickets: a connection and Now are required")
	case config.TTL < time.Millisecond:
		return nil, fmt.Errorf("new tickets: time to live %v is below a millisecond", config.TTL)
	case config.PerPrincipal < 0:
		return nil, errors.New("new tickets: the number for a principal is negative")
	}
	return &Tickets{connection: connection, config: config}, nil
}

// Issue makes a ticket that stands for a principal's credential, and returns it and how
// long it can be used: no longer than the credential. The error is auth.ErrForbidden for
// a principal that cannot have one (see auth.Principal.Identity), auth.ErrTokenExpired,
// auth.ErrTooManyTickets, auth.ErrStoreUnavailable, or the context's.
func (t *Tickets) Issue(ctx context.Context, p *auth.Principal) (auth.Secret, time.Duration, error) {
	id, err := p.Identity()
	if err != nil {
		return auth.Secret{}, 0, fmt.Errorf("make ticket: %w", err)
	}
	now, lives := t.config.Now(), t.config.TTL
	if !id.ExpiresAt.IsZero() {
		if lives = min(lives, id.ExpiresAt.Sub(now)).Truncate(time.Millisecond); lives <= 0 {
			return auth.Secret{}, 0, fmt.Errorf("make ticket: %w", auth.ErrTokenExpired)
		}
	}
	text, err := encodeIdentity(id)
	if err != nil {
		return auth.Secret{}, 0, fmt.Errorf("make ticket: %w", err)
	}
	if err := t.count(ctx, p, now); err != nil {
		return auth.Secret{}, 0, err
	}
	ticket := auth.NewTicket()
	err = t.connection.call(ctx, "store ticket", func(ctx context.Context) error {
		return t.connection.client.Set(ctx, t.key(ticket), text, lives).Err()
	})
	if err != nil {
		return auth.Secret{}, 0, err
	}
	return ticket, lives, nil
}

// count counts a ticket for its principal.
func (t *Tickets) count(ctx context.Context, p *auth.Principal, now time.Time) error {
	if t.config.PerPrincipal == 0 {
		return nil
	}
	period := now.UnixMilli() / t.config.TTL.Milliseconds()
	key := t.connection.prefix + "tickets:" + sum(p.Key()) + ":" + strconv.FormatInt(period, 10)
	var given int64
	err := t.connection.call(ctx, "count tickets", func(ctx context.Context) error {
		var counted *redis.IntCmd
		_, err := t.connection.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			counted = pipe.Incr(ctx, key)
			pipe.PExpire(ctx, key, 2*t.config.TTL)
			return nil
		})
		given = counted.Val()
		return err
	})
	if err == nil && given > int64(t.config.PerPrincipal) {
		err = auth.ErrTooManyTickets
	}
	return err
}

// Verify implements auth.Verifier. It takes the ticket: whatever happens next, a second
// use is refused.
func (t *Tickets) Verify(ctx context.Context, c auth.Credential) (*auth.Identity, error) {
	if c.Scheme != auth.SchemeTicket {
		return nil, auth.ErrOtherCredential
	}
	if !auth.IsTicket(c.Token.Reveal()) {
		return nil, errNoTicket
	}
	var text []byte
	err := t.connection.call(ctx, "take ticket", func(ctx context.Context) (err error) {
		text, err = t.connection.client.GetDel(ctx, t.key(c.Token)).Bytes()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case text == nil:
		return nil, errNoTicket
	}
	id, err := decodeIdentity(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", auth.ErrUnauthenticated, err)
	}
	return id, nil
}

var errNoTicket = fmt.Errorf("%w: the ticket does not exist, has expired, or was used before", auth.ErrUnauthenticated)

func (t *Tickets) key(ticket auth.Secret) string {
	return t.connection.prefix + "ticket:" + sum(ticket.Reveal())
}

func sum(text string) string {
	of := sha256.Sum256([]byte(text))
	return hex.EncodeToString(of[:])
}
