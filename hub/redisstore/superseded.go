package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/redis/go-redis/v9"

	"sluice/hub/cursors"
)

const (
	// quietFor is how long the channel may be silent before a ping checks whether
	// the connection still works; after the same time without an answer the
	// connection is given up.
	quietFor = 10 * time.Second
	// resubscribeAtMost bounds the wait between two attempts.
	resubscribeAtMost = 5 * time.Second
)

// Superseded calls taken, from the caller's goroutine, for each name that is taken
// anywhere, including by this store's own Take, until the context ends; it then
// returns the context's error. It reconnects forever. Takes while it is
// disconnected are not reported, so listening is called each time that takes are
// reported from then on. In a Cluster every node forwards what is published at
// any node.
func (s *Store) Superseded(ctx context.Context, taken func(cursors.Taken), listening func()) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 100 * time.Millisecond
	wait.MaxInterval = resubscribeAtMost
	unheard := time.Time{} // time since which takes are not heard, zero while they are
	for {
		err := s.listen(ctx, taken, func() {
			wait.Reset()
			if !unheard.IsZero() {
				s.log.Info("notifications of cursor takeovers available again", "after", time.Since(unheard).Round(time.Millisecond))
				unheard = time.Time{}
			}
			listening()
		})
		if ctx.Err() != nil {
			return fmt.Errorf("listen for cursor takeovers: %w", ctx.Err())
		}
		pause := wait.NextBackOff()
		if unheard.IsZero() {
			unheard = time.Now()
			s.log.Warn("notifications of cursor takeovers unavailable; retrying", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// listen subscribes once and reports takes until the connection fails.
func (s *Store) listen(ctx context.Context, taken func(cursors.Taken), subscribed func()) error {
	pubsub := s.client.Subscribe(ctx)
	// A blocked read does not notice that its context has ended.
	stop := context.AfterFunc(ctx, func() { _ = pubsub.Close() })
	defer func() {
		stop()
		_ = pubsub.Close()
	}()
	channels := []string{s.channel(), s.movedChannel()}
	if err := pubsub.Subscribe(ctx, channels...); err != nil {
		return err
	}
	pinged := false
	for ctx.Err() == nil {
		message, err := pubsub.ReceiveTimeout(ctx, quietFor)
		if timedOut(err) && !pinged {
			if err := pubsub.Ping(ctx); err != nil {
				return err
			}
			pinged = true
			continue
		}
		if err != nil {
			return err
		}
		pinged = false
		switch message := message.(type) {
		case *redis.Subscription:
			if message.Count == len(channels) {
				subscribed()
			}
		case *redis.Message:
			name, fence, ok := decodeTaken(message.Payload)
			if !ok {
				s.log.Warn("notification of a cursor takeover is damaged; ignoring it", "bytes", len(message.Payload))
				continue
			}
			taken(cursors.Taken{Key: name, Fence: fence, Moved: message.Channel == s.movedChannel()})
		}
	}
	return ctx.Err()
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
