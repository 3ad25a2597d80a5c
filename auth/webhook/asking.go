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
func (h *Hook) ask(ctx context.Context, e Event, body []byte, parse parser, unavailable error) (verdict, error) {
	of := digest(sha256.Sum256(body))
	h.mu.Lock()
	if answer, ok := h.cached(of, time.Now()); ok {
		h.mu.Unlock()
		h.observed(e, Cached, 0)
		return answer, nil
	}
	asking := h.inFlight[of]
	mine := asking == nil
	if mine {
		if h.requests >= h.concurrency {
			h.mu.Unlock()
			h.observed(e, Busy, 0)
			return verdict{}, fmt.Errorf("%w: %d requests to the webhook are in flight", unavailable, h.concurrency)
		}
		asking = &flight{done: make(chan struct{}), err: errors.New("asking the webhook panicked"), generation: h.generation}
		h.inFlight[of] = asking
		h.requests++
	}
	h.mu.Unlock()

	if mine {
		// Other callers wait too, so the request does not end with this one.
		h.fly(context.WithoutCancel(ctx), e, of, asking, body, parse)
	}
	if !mine {
		h.observed(e, Shared, 0)
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
func (h *Hook) fly(ctx context.Context, e Event, of digest, asking *flight, body []byte, parse parser) {
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.requests--
		if h.inFlight[of] == asking {
			delete(h.inFlight, of)
		}
		if asking.err == nil && h.cacheFor > 0 && asking.generation == h.generation {
			h.keep(of, asking.answer, time.Now())
		}
		close(asking.done)
	}()
	began := time.Now()
	asking.answer, asking.err = h.breaker.Execute(func() (verdict, error) { return h.send(ctx, body, parse) })
	h.observed(e, outcomeOf(asking.answer, asking.err), time.Since(began))
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

// observed tells what came of a question. It took some time only if there was a request.
func (h *Hook) observed(e Event, o Outcome, took time.Duration) {
	if h.observe != nil {
		h.observe(e, o, took)
	}
}

// Forget drops all answers in the cache, and has those that are on their way not cached.
func (h *Hook) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.generation++
	h.yes, h.no = newCache(h.yes.most), newCache(h.no.most)
	// Equal questions are asked anew, and not answered by what was asked before.
	clear(h.inFlight)
}
