package webhook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// ask returns the answer to a question: a cached one, that of an equal question in
// flight, or a new one. The error is unavailable or the context's.
func (h *Hook) ask(ctx context.Context, body []byte, parse parser, unavailable error) (verdict, error) {
	of := digest(sha256.Sum256(body))
	h.mu.Lock()
	if answer, ok := h.cached(of, time.Now()); ok {
		h.mu.Unlock()
		return answer, nil
	}
	asking := h.inFlight[of]
	mine := asking == nil
	if mine {
		if len(h.inFlight) >= h.concurrency {
			h.mu.Unlock()
			return verdict{}, fmt.Errorf("%w: %d requests to the webhook are in flight", unavailable, h.concurrency)
		}
		asking = &flight{done: make(chan struct{}), err: errors.New("asking the webhook panicked")}
		h.inFlight[of] = asking
	}
	h.mu.Unlock()

	if mine {
		// Other callers wait too, so the request does not end with this one.
		h.fly(context.WithoutCancel(ctx), of, asking, body, parse)
	}
	if !mine {
		select {
		case <-asking.done:
		case <-ctx.Done():
			return verdict{}, fmt.Errorf("wait for the webhook: %w", ctx.Err())
		}
	}
	if asking.err != nil {
		return verdict{}, fmt.Errorf("%w: %w", unavailable, asking.err)
	}
	return asking.answer, nil
}

// Cached returns the numbers of answers of yes and of no in the cache, each of which
// takes some 100 bytes, and the claims of an identity.
func (h *Hook) Cached() (yes, no int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.yes.answers), len(h.no.answers)
}

// cached requires mu.
func (h *Hook) cached(of digest, now time.Time) (verdict, bool) {
	if answer, ok := h.yes.find(of, now); ok {
		return answer, true
	}
	return h.no.find(of, now)
}

// fly asks the question of a flight and ends the flight.
func (h *Hook) fly(ctx context.Context, of digest, asking *flight, body []byte, parse parser) {
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.inFlight, of)
		if asking.err == nil && h.cacheFor > 0 {
			h.keep(of, asking.answer, time.Now())
		}
		close(asking.done)
	}()
	asking.answer, asking.err = h.breaker.Execute(func() (verdict, error) { return h.send(ctx, body, parse) })
}

// keep requires mu. An identity is not cached for longer than it is valid.
func (h *Hook) keep(of digest, answer verdict, now time.Time) {
	until := now.Add(h.cacheFor)
	if answer.identity != nil && answer.identity.ExpiresAt.Before(until) {
		until = answer.identity.ExpiresAt
	}
	if answer.yes() {
		h.yes.add(of, answer, until, now)
	} else {
		h.no.add(of, answer, until, now)
	}
}
