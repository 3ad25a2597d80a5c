package client

import (
	"context"
	"strconv"
	"time"
)

const (
	// renewAhead is the longest time before its expiry at which a token is
	// renewed.
	renewAhead = time.Minute
	// renewLeast is the shortest wait before a renewal.
	renewLeast = 100 * time.Millisecond
	// renewRetry is the wait before a failed renewal is retried.
	renewRetry = 5 * time.Second
)

// renewIn returns when to renew a token that expires after the given time: a
// minute before, or for a short-lived token after four fifths of its life; never
// at once, because a token source may return the same token again.
func renewIn(expires time.Duration) time.Duration {
	return max(expires-renewAhead, expires*4/5, renewLeast)
}

// renewal keeps a connection's token fresh. The reader reports when tokens
// expire; run waits and renews.
type renewal struct {
	expires chan time.Duration // capacity 1, the latest wins
	asked   chan struct{}      // capacity 1: the server asks for a new token
}

func newRenewal() *renewal {
	return &renewal{expires: make(chan time.Duration, 1), asked: make(chan struct{}, 1)}
}

// now reports that the server asks for a new token.
func (r *renewal) now() {
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

// ends reports that the current token expires in ms milliseconds. Only the reader
// calls it. A token that never expires is ignored.
func (r *renewal) ends(ms int64) {
	if ms <= 0 {
		return
	}
	select {
	case <-r.expires:
	default:
	}
	r.expires <- milliseconds(ms)
}

// run renews the token until the context ends. If it cannot obtain a token, it
// tries again, until the server ends the session.
func (r *renewal) run(ctx context.Context, token func(context.Context) (string, error), send func(context.Context, any) error) {
	var due <-chan time.Time
	sent := false // a token whose answer is not here yet
	for number := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-r.asked:
			if !sent {
				due = time.After(0)
			}
		case expires := <-r.expires:
			sent = false
			due = time.After(renewIn(expires))
		case <-due:
			due = time.After(renewRetry)
			text, err := token(ctx)
			if err != nil {
				continue
			}
			number++
			if send(ctx, authMessage{Type: "auth", ID: "r" + strconv.Itoa(number), Token: text}) != nil {
				// The connection is lost, which the reader will notice.
				return
			}
			// The response tells when the new token expires.
			due, sent = nil, true
		}
	}
}
