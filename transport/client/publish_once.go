package client

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// askFor is how long PublishOnce asks about an unknown outcome.
const askFor = time.Minute

// PublishOnce stores a record like Publish, and publishes it again under the same ID while
// its outcome is unknown, so that it is stored once: for a minute, or until the context
// ends. A message without an ID gets a random one; if the stream takes no IDs, the message
// is sent once without. A record that is refused at first is not sent again.
//
// ErrMaybeStored remains for a stream without IDs, and where the outcome could not be
// learned; it has the last answer of the server.
func (c *Client) PublishOnce(ctx context.Context, stream string, m Message) (Stored, error) {
	_, plain := c.plain.Load(stream)
	given := m.ID != ""
	if !given && !plain {
		m.ID = rand.Text()
	}
	wait := c.backoff()
	unknown := false // an attempt may have stored the record
	for began := time.Now(); ; {
		at, err := c.Publish(ctx, stream, m)
		var refused *Error
		if !errors.As(err, &refused) || m.ID == "" {
			return at, err
		}
		switch {
		case errors.Is(err, ErrMaybeStored):
			unknown = true
		case unknown:
			// This attempt is refused, which says nothing of the ones before.
			refused.outcome = ErrMaybeStored
			if !refused.Retryable && !isUnreachable(err) {
				return at, err
			}
		case refused.Code == "bad_request" && !given:
			// Does the stream take no IDs? Then the message is not at fault.
			m.ID = ""
			if at, err = c.Publish(ctx, stream, m); err == nil {
				c.plain.Store(stream, nil)
			}
			return at, err
		default:
			return at, err
		}
		delay := refused.RetryAfter + wait.next()
		if time.Since(began)+delay > askFor || pause(ctx, delay) != nil {
			return at, err
		}
	}
}
