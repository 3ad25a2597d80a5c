package cursors

import (
	"context"
	"errors"
	"time"

	"sluice/hub/record"
)

// Move stores a position under a name that is stored, as it is, also a lower one, from outside
// of any subscription. The subscription that holds the name, on whichever instance, is
// superseded, and its lease says that it was moved. It returns what is stored then.
func (k *Committer) Move(ctx context.Context, name Key, to record.Position, now time.Time) (Stored, error) {
	stored, err := k.store.Move(ctx, name, to, now)
	if err != nil {
		return Stored{}, err
	}
	k.taken(Taken{Key: name, Fence: stored.Fence, Moved: true})
	return stored, nil
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
