package client

import (
	"context"
	"strconv"
	"time"
)

const (
	// renewAhead is how long before its end a token is renewed, at most.
	renewAhead = time.Minute
	// renewRetry is how soon a failed renewal is tried again.
	renewRetry = 5 * time.Second
)

// renewIn is when a token that ends in a while is renewed: a minute before, and
// for a short one after four fifths of its time; never at once, as a source may
// give the same token again.
func renewIn(expires time.Duration) time.Duration {
	return max(expires-renewAhead, expires*4/5, time.Second)
}

// renewal keeps a connection's token fresh. The reader tells when tokens end;
// run waits and renews.
type renewal struct {
	expires chan time.Duration // capacity 1, the latest wins
}

func newRenewal() *renewal { return &renewal{expires: make(chan time.Duration, 1)} }

// ends tells that the present token ends in so many milliseconds. Only the
// reader calls it. Nothing is told of a token that never ends.
func (r *renewal) ends(ms int64) {
	if ms <= 0 {
		return
	}
	select {
	case <-r.expires:
	default:
	}
	r.expires <- time.Duration(ms) * time.Millisecond
}

// run renews until the context ends. Where no token can be had it tries again,
// until the server ends the session.
func (r *renewal) run(ctx context.Context, token func(context.Context) (string, error), send func(context.Context, any) error) {
	var due <-chan time.Time
	for number := 0; ; {
		select {
		case <-ctx.Done():
			return
		case expires := <-r.expires:
			due = time.After(renewIn(expires))
		case <-due:
			due = time.After(renewRetry)
			text, err := token(ctx)
			if err != nil {
				continue
			}
			number++
			if send(ctx, authMessage{Type: "auth", ID: "r" + strconv.Itoa(number), Token: text}) != nil {
				// The connection is lost, which its reader will notice.
				return
			}
			// The answer says when the new one ends.
			due = nil
		}
	}
}
