package cursors

import (
	"context"
	"slices"

	"sluice/hub/backoff"
)

// fencesAtOnce is the number of fences read in one round trip.
const fencesAtOnce = 1000

// listening is called when takes are listening from now on.
func (k *Committer) listening() {
	select {
	case k.recheck <- struct{}{}:
	default:
	}
}

// checkFences notifies the leases of names that others have taken while takes
// were not listening.
func (k *Committer) checkFences(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.recheck:
		}
		k.mu.Lock()
		names := make([]Key, 0, len(k.holders))
		for name := range k.holders {
			names = append(names, name)
		}
		k.mu.Unlock()
		retry := backoff.New()
		for some := range slices.Chunk(names, fencesAtOnce) {
			fences, err := k.store.Fences(ctx, some)
			for ; err != nil; fences, err = k.store.Fences(ctx, some) {
				if !retry.Wait(ctx) {
					return
				}
			}
			for _, t := range fences {
				k.taken(t)
			}
		}
	}
}
