package cursors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/hub/record"
)

// Move stores a position under a name as it is, also a lower one, from outside of any
// subscription. It takes the name first: the subscription that holds it, on whichever
// instance, is superseded, so that its next ack does not undo the move. Move fails with
// ErrSuperseded if another subscription takes the name meanwhile.
func (k *Committer) Move(ctx context.Context, name Key, at record.Position, now time.Time) (Committed, error) {
	_, lease, err := k.Take(ctx, name, func(*Lease) {})
	if err != nil && !errors.Is(err, ErrNoCursor) {
		return Committed{}, err
	}
	defer lease.Release()
	stored := make(chan Committed, 1)
	k.commit(Commit{Key: name, Ack: Ack{Position: at, At: now}, Fence: lease.fence, Reset: true}, func(c Committed) { stored <- c })
	select {
	case done := <-stored:
		return done, done.Err
	case <-ctx.Done():
		return Committed{}, fmt.Errorf("move cursor: %w", ctx.Err())
	}
}

// Remove removes a name from outside of any subscription. As with Move, the subscription
// that holds it is superseded, and what it acks from then on is refused.
func (k *Committer) Remove(ctx context.Context, name Key) error {
	_, lease, err := k.Take(ctx, name, func(*Lease) {})
	if err != nil && !errors.Is(err, ErrNoCursor) {
		return err
	}
	lease.Release()
	return k.store.Delete(ctx, name)
}

// Held reports whether a subscription of this instance holds a name.
func (k *Committer) Held(name Key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holders[name] != nil
}
