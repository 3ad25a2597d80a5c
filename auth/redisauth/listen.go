package redisauth

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/redis/go-redis/v9"
)

const (
	// quietFor is how long the channel may be silent before a ping checks whether the
	// connection still works; after the same time without an answer the connection is
	// given up.
	quietFor = 10 * time.Second
	// resubscribeAtMost bounds the wait between two attempts.
	resubscribeAtMost = 5 * time.Second
)

// listen receives revocations as they are announced, until the context ends. It
// reconnects forever, and has everything that was missed polled each time.
func (r *Revocations) listen(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 100 * time.Millisecond
	wait.MaxInterval = resubscribeAtMost
	unheard := time.Time{} // time since which messages are not heard, zero while they are
	for {
		err := r.listenOnce(ctx, func() {
			wait.Reset()
			if !unheard.IsZero() {
				r.connection.log.Info("notifications of revocations available again", "after", time.Since(unheard).Round(time.Millisecond))
				unheard = time.Time{}
			}
			// Redis may have started anew.
			r.reload.Store(true)
			r.pollSoon()
		})
		if ctx.Err() != nil {
			return
		}
		if unheard.IsZero() {
			unheard = time.Now()
			r.connection.log.Warn("notifications of revocations unavailable; polling only", "every", r.poll, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait.NextBackOff()):
		}
	}
}

// listenOnce subscribes once and receives until the connection fails. In a Cluster
// every node forwards what is published at any node.
func (r *Revocations) listenOnce(ctx context.Context, subscribed func()) error {
	pubsub := r.connection.client.Subscribe(ctx)
	// A blocked read does not notice that its context has ended.
	stop := context.AfterFunc(ctx, func() { _ = pubsub.Close() })
	defer func() {
		stop()
		_ = pubsub.Close()
	}()
	if err := pubsub.Subscribe(ctx, r.channel()); err != nil {
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
			subscribed()
		case *redis.Message:
			if _, full := r.receive(message.Payload); full {
				r.mu.Lock()
				r.overfull = true
				r.mu.Unlock()
			}
		}
	}
	return ctx.Err()
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
