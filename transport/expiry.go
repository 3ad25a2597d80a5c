package transport

import (
	"context"
	"errors"
	"fmt"

	"sluice/auth"
	"sluice/hub/upstream"
	"sluice/transport/wire"
)

// The work for a request ends with the token that the request came with, however
// long it waits for Kafka, for Redis, for records or for the rest of its own body.
// Whatever it has come to, it is not answered once the token was revoked.

// within returns a context that ends with a principal's token.
func within(ctx context.Context, p *auth.Principal) (context.Context, context.CancelFunc) {
	if p == nil || p.ExpiresAt().IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, p.ExpiresAt(), auth.ErrTokenExpired)
}

// valid is within for a request that can wait: the context also ends when the
// principal's credential is revoked.
func (s *Server) valid(ctx context.Context, p *auth.Principal) (context.Context, context.CancelFunc) {
	ctx, cancel := within(ctx, p)
	if p == nil || p.Anonymous() {
		return ctx, cancel
	}
	ctx, end := context.WithCancelCause(ctx)
	waits := &pending{principal: p, end: end}
	s.pending.add(waits)
	// Looked at after it was added: a revocation finds the request, or the request the
	// revocation.
	if s.revoked(p) {
		end(auth.ErrRevoked)
	}
	return ctx, func() {
		s.pending.remove(waits)
		end(nil)
		cancel()
	}
}

// ended returns the fault of a principal whose token has expired or was revoked, else
// nil.
func (s *Server) ended(p *auth.Principal) *wire.Error {
	switch {
	case p == nil:
		return nil
	case s.revoked(p):
		return faultOf(auth.ErrRevoked)
	case p.ExpiresAt().IsZero() || s.now().Before(p.ExpiresAt()):
		return nil
	}
	return faultOf(auth.ErrTokenExpired)
}

// outcome returns the fault that a request is answered with. The end of its token
// takes precedence over any other fault.
func (s *Server) outcome(p *auth.Principal, fault *wire.Error) *wire.Error {
	if ended := s.ended(p); ended != nil {
		return ended
	}
	return fault
}

// outcomeOf is outcome for an error, which may be nil.
func (s *Server) outcomeOf(p *auth.Principal, err error) *wire.Error {
	if err == nil {
		return s.ended(p)
	}
	return s.outcome(p, faultOf(err))
}

// waitFor bounds what one request of a principal may wait for.
func (s *Server) waitFor(ctx context.Context, p *auth.Principal) (context.Context, context.CancelFunc) {
	bounded, cancel := context.WithTimeout(ctx, s.config.RequestTimeout)
	valid, forget := s.valid(bounded, p)
	return valid, func() { forget(); cancel() }
}

// ends reports whether an error is the end of a token.
func ends(err error) bool {
	return errors.Is(err, auth.ErrTokenExpired) || errors.Is(err, auth.ErrRevoked)
}

// notSent changes the results of messages that had not been sent to Kafka when the
// token expired or was revoked: that is why they are not stored.
func notSent(ctx context.Context, results []upstream.Stored) {
	cause := context.Cause(ctx)
	if !ends(cause) {
		return
	}
	for i, stored := range results {
		if errors.Is(stored.Err, upstream.ErrPublishUnavailable) {
			results[i].Err = fmt.Errorf("%w: %w", cause, stored.Err)
		}
	}
}

// noneSent returns why the messages are not stored, if that is the end of the token for
// all of them, else nil.
func noneSent(results []upstream.Stored) (why error) {
	for _, stored := range results {
		if !ends(stored.Err) {
			return nil
		}
		why = stored.Err
	}
	return why
}

// requestContext bounds what one request may wait for.
func (s *Server) requestContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.base, s.config.RequestTimeout)
}
