package hub

import (
	"context"
	"sync"
	"time"
)

// budgetBurst is how much of the budget can be used at once after a pause.
const budgetBurst = 100 * time.Millisecond

// budget bounds how many bytes are read per second. A read that brings more than was
// expected delays the next one.
type budget struct {
	limits func() *Limits // LateBytesPerSecond of these
	now    func() time.Time

	mu   sync.Mutex
	free time.Time // the time at which everything taken so far is paid for
}

// wait takes some bytes from the budget, and waits until they are available.
func (b *budget) wait(ctx context.Context, bytes int) bool {
	perSecond := b.limits().LateBytesPerSecond
	if perSecond <= 0 {
		return ctx.Err() == nil
	}
	now := b.now()
	b.mu.Lock()
	if earliest := now.Add(-budgetBurst); b.free.Before(earliest) {
		b.free = earliest
	}
	wait := b.free.Sub(now)
	b.free = b.free.Add(span(bytes, perSecond))
	b.mu.Unlock()
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// settle corrects the budget after a read: taken bytes were expected, read came.
func (b *budget) settle(taken, read int) {
	perSecond := b.limits().LateBytesPerSecond
	if perSecond <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = b.free.Add(span(read-taken, perSecond))
}

func span(bytes, perSecond int) time.Duration {
	return time.Duration(float64(bytes) / float64(perSecond) * float64(time.Second))
}
