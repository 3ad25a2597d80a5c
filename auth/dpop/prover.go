package dpop

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"sluice/auth"
)

// Config configures which proofs are accepted.
type Config struct {
	// MaxAge is the age up to which a proof is accepted.
	MaxAge time.Duration
	// ClockSkew is the allowed difference between a client's clock and the server's: a
	// proof can be that much older, and that much in the future.
	ClockSkew time.Duration
	// Remembered bounds the proofs that are remembered, at about 100 bytes each, and
	// PerKey those of one key. Both are for a span of MaxAge and twice ClockSkew; for
	// some time after it there can be twice as many.
	Remembered, PerKey int
	// Replays remembers proofs for all instances. Nil for none.
	Replays Replays
}

// Replays remembers the proofs that were used, for several instances.
type Replays interface {
	// Once reports whether an ID is used for the first time, and remembers it until a
	// time. It is called by many goroutines at once, and bounds its own time.
	Once(ctx context.Context, id string, until time.Time) (bool, error)
}

// Prover is an auth.Prover. It is safe for concurrent use.
type Prover struct {
	maxAge, clockSkew time.Duration
	used              *replays
	shared            Replays // nil for none
}

var _ auth.Prover = (*Prover)(nil)

// New returns the prover.
func New(config Config) (*Prover, error) {
	switch {
	case config.MaxAge <= 0 || config.ClockSkew < 0:
		return nil, errors.New("new DPoP: the maximum age is not positive, or the clock skew negative")
	case config.Remembered < 1 || config.PerKey < 1:
		return nil, errors.New("new DPoP: no proof could be remembered")
	}
	return &Prover{
		maxAge: config.MaxAge, clockSkew: config.ClockSkew, shared: config.Replays,
		used: newReplays(config.MaxAge+2*config.ClockSkew, config.Remembered, config.PerKey),
	}, nil
}

// Prove implements auth.Prover. It looks for the proof in c.Proof.DPoP, and notes its
// use only if everything else about it is right.
func (p *Prover) Prove(ctx context.Context, c auth.Credential, thumbprint string) error {
	if n := len(c.Proof.DPoP); n != 1 {
		return refused("the request does not have exactly one DPoP header")
	}
	said, err := parse(c.Proof.DPoP[0], thumbprint)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := p.fits(said, c, now); err != nil {
		return err
	}
	return p.use(ctx, digestOf(thumbprint, said.id), thumbprint, said, now)
}

// fits checks that a proof is for this request, and made now.
func (p *Prover) fits(said proof, c auth.Credential, now time.Time) error {
	asked, ok := target(c.Proof.URL)
	named, okToo := target(said.url)
	sum := sha256.Sum256([]byte(c.Token.Reveal()))
	token := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case said.method != c.Proof.Method:
		return refused("its htm is not the method of the request")
	case !ok || !okToo || asked != named:
		return refused("its htu is not the URL of the request")
	case subtle.ConstantTimeCompare([]byte(said.token), []byte(token)) != 1:
		return refused("its ath is not the hash of the token")
	case said.issued.After(now.Add(p.clockSkew)):
		return refused("its iat is in the future")
	case now.Sub(said.issued) > p.maxAge+p.clockSkew:
		return refused("it is too old")
	}
	return nil
}

func (p *Prover) use(ctx context.Context, of digest, thumbprint string, said proof, now time.Time) error {
	switch err := p.used.use(of, thumbprint, now); {
	case errors.Is(err, errFull):
		return fmt.Errorf("%w: %w", auth.ErrVerifierUnavailable, err)
	case err != nil:
		return err
	case p.shared == nil:
		return nil
	}
	until := said.issued.Add(p.maxAge + 2*p.clockSkew)
	first, err := p.shared.Once(ctx, hex.EncodeToString(of[:]), until)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("check proof: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("%w: check proof: %w", auth.ErrVerifierUnavailable, err)
	case !first:
		return errUsed
	}
	return nil
}
