package cursors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sluice/hub/backoff"
	"sluice/hub/record"
)

// Committer moves named cursors: it collects acks and writes them to the store
// together, and knows which subscriptions of this instance hold which names.
type Committer struct {
	store Store
	every time.Duration

	mu      sync.Mutex
	pending []pendingCommit
	latest  map[holder]int // index in pending of the last commit of each holder
	wake    chan struct{}
	holders map[Key]*Lease
	taking  map[Key]*taking

	recheck chan struct{} // takes may have been missed
}

// taking is what is heard of a name while a Take of it is in progress at the
// store.
type taking struct {
	calls int
	heard Taken // with the highest fence
}

// holder identifies the source of commits: a subscription that holds a name, or,
// with fence 0, a write without a lease.
type holder struct {
	name  Key
	fence int64
}

type pendingCommit struct {
	Commit
	done []func(Committed)
}

// Lease is a subscription's lease of a name. It lasts until it is superseded.
type Lease struct {
	committer  *Committer
	name       Key
	fence      int64
	superseded func(*Lease)

	// Guarded by committer.mu.
	lost  bool
	moved bool // by an operator
}

// maxPending bounds the commits that wait to be written.
const maxPending = 100_000

// NewCommitter returns a Committer that writes to the store at most once per
// interval.
func NewCommitter(store Store, every time.Duration) (*Committer, error) {
	if store == nil || every <= 0 {
		return nil, errors.New("new committer: a store and an interval above zero are required")
	}
	return &Committer{
		store:   store,
		every:   every,
		wake:    make(chan struct{}, 1),
		latest:  make(map[holder]int),
		holders: make(map[Key]*Lease),
		taking:  make(map[Key]*taking),
		recheck: make(chan struct{}, 1),
	}, nil
}

// Run writes commits until the context ends, and then the remaining ones.
func (k *Committer) Run(ctx context.Context) error {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() {
		retry := backoff.New()
		for ctx.Err() == nil {
			if err := k.store.Superseded(ctx, k.taken, k.listening); err != nil && !retry.Wait(ctx) {
				return
			}
		}
	})
	tasks.Go(func() { k.checkFences(ctx) })
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			k.flush(last)
			return nil
		case <-k.wake:
		}
		if ctx.Err() != nil {
			continue // both were ready: the case above writes the rest
		}
		k.flush(ctx)
		pause := time.NewTimer(k.every)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// Take makes a subscription the holder of a name, the only one that may ack under
// it, and returns what is stored. superseded is called, once and from any
// goroutine, when another subscription takes the name, which can be before Take
// returns. With ErrNoCursor the lease is valid.
func (k *Committer) Take(ctx context.Context, name Key, superseded func(*Lease)) (Stored, *Lease, error) {
	// The take of another instance can be heard before the store's answer to this
	// one arrives.
	k.mu.Lock()
	known := k.taking[name]
	if known == nil {
		known = &taking{}
		k.taking[name] = known
	}
	known.calls++
	k.mu.Unlock()

	stored, err := k.store.Take(ctx, name)
	var h *Lease
	var ended []*Lease
	k.mu.Lock()
	if known.calls--; known.calls == 0 {
		delete(k.taking, name)
	}
	if err == nil || errors.Is(err, ErrNoCursor) {
		h = &Lease{committer: k, name: name, fence: stored.Fence, superseded: superseded}
		ended = k.settle(h, known.heard)
	}
	k.mu.Unlock()
	for _, lost := range ended {
		lost.superseded(lost)
	}
	if h == nil {
		return Stored{}, nil, err
	}
	return stored, h, err
}

// settle finds the latest lease of a name, given what was heard last from
// other instances, and returns the leases that have lost the name. The caller
// holds the lock, and calls their superseded functions after releasing it.
func (k *Committer) settle(h *Lease, elsewhere Taken) (lost []*Lease) {
	latest := max(h.fence, elsewhere.Fence)
	before := k.holders[h.name]
	if before != nil {
		latest = max(latest, before.fence)
	}
	for _, lease := range []*Lease{before, h} {
		switch {
		case lease == nil:
		case lease.fence == latest:
			k.holders[h.name] = lease
		default:
			lease.lost, lease.moved = true, elsewhere.Moved && elsewhere.Fence == latest
			lost = append(lost, lease)
			if k.holders[h.name] == lease {
				delete(k.holders, h.name)
			}
		}
	}
	return lost
}

// Moved reports whether the name was superseded by an operator who has moved the position.
func (h *Lease) Moved() bool {
	h.committer.mu.Lock()
	defer h.committer.mu.Unlock()
	return h.moved
}

// Fence returns the fence of the lease, which the positions that are read under it are since.
func (h *Lease) Fence() int64 { return h.fence }

// Superseded reports whether another subscription has taken the name.
func (h *Lease) Superseded() bool {
	h.committer.mu.Lock()
	defer h.committer.mu.Unlock()
	return h.lost
}

// Release gives up the name. No callback is called.
func (h *Lease) Release() {
	h.committer.mu.Lock()
	defer h.committer.mu.Unlock()
	if h.committer.holders[h.name] == h {
		delete(h.committer.holders, h.name)
	}
}

// Ack moves the named cursor. done is called with the position that is stored
// then, or with an error; it must not block. If a later ack of the same
// subscription covers this one before it is written, done gets the result of the
// later one.
func (h *Lease) Ack(ack Ack, done func(Committed)) {
	h.committer.commit(Commit{Key: h.name, Ack: ack, Fence: h.fence}, done)
}

// Cut moves the stored offsets back to where logs were truncated, because the
// stored position has no epoch that would reveal the truncation once the log has
// grown again. The subscription is sent the gap before anything else, and it is
// its first break in these partitions. Cut waits until the position is stored:
// otherwise, if the name were taken again when the log has grown, reading would
// continue from the old position. A superseded lease has nothing to move.
func (h *Lease) Cut(ctx context.Context, topic record.TopicID, places []record.PartitionOffset, now time.Time) error {
	cut := make(map[int32]uint32, len(places))
	for _, at := range places {
		cut[at.Partition] = 1
	}
	places = slices.Clone(places)
	record.SortOffsets(places)
	stored := make(chan error, 1)
	h.Ack(Ack{Position: record.Position{Topic: topic, Offsets: places}, At: now, Breaks: Breaks{Partitions: cut}},
		func(done Committed) { stored <- done.Err })
	select {
	case err := <-stored:
		if errors.Is(err, ErrSuperseded) {
			return nil
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("move a cursor back to the end of the truncated log: %w", ctx.Err())
	}
}

// Set moves a named cursor without a lease, to a position that was made at a time, under a
// lease if it is not 0. It fails with ErrMoved if an operator has moved the name since, unless
// reset.
func (k *Committer) Set(name Key, at record.Position, made time.Time, lease int64, reset bool, done func(Committed)) {
	k.commit(Commit{Key: name, Ack: Ack{Position: at, At: made}, Since: Since(lease, made), Reset: reset}, done)
}

// Load returns what is stored under a name.
func (k *Committer) Load(ctx context.Context, name Key) (Stored, error) {
	return k.store.Load(ctx, name)
}

// Delete removes a name.
func (k *Committer) Delete(ctx context.Context, name Key) error {
	return k.store.Delete(ctx, name)
}

func (k *Committer) commit(c Commit, done func(Committed)) {
	k.mu.Lock()
	if len(k.pending) >= maxPending {
		k.mu.Unlock()
		done(Committed{Err: ErrStoreUnavailable})
		return
	}
	by := holder{c.Key, c.Fence}
	i, ok := k.latest[by]
	if ok && c.Fence != 0 && c.Position.Covers(k.pending[i].Position) {
		k.pending[i].Commit = c
		k.pending[i].done = append(k.pending[i].done, done)
	} else {
		k.latest[by] = len(k.pending)
		k.pending = append(k.pending, pendingCommit{c, []func(Committed){done}})
	}
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// flush writes the pending commits. Commits that cannot be written are not kept:
// their acks fail, and a later ack includes them.
func (k *Committer) flush(ctx context.Context) {
	k.mu.Lock()
	pending := k.pending
	k.pending = nil
	clear(k.latest)
	k.mu.Unlock()
	if len(pending) == 0 {
		return
	}
	commits := make([]Commit, len(pending))
	for i, p := range pending {
		commits[i] = p.Commit
	}
	results := k.store.Commit(ctx, commits)
	for i, p := range pending {
		for _, done := range p.done {
			done(results[i])
		}
		if p.Fence != 0 && errors.Is(results[i].Err, ErrSuperseded) {
			// The store's refusal of a fence: a later one is stored.
			k.taken(Taken{Key: p.Key, Fence: p.Fence + 1, Moved: errors.Is(results[i].Err, ErrMoved)})
		}
	}
}

// taken handles the news that a name has been taken, by this or another instance.
func (k *Committer) taken(t Taken) {
	k.mu.Lock()
	if known := k.taking[t.Key]; known != nil && known.heard.Fence < t.Fence {
		known.heard = t
	}
	h := k.holders[t.Key]
	if h == nil || h.fence >= t.Fence {
		k.mu.Unlock()
		return
	}
	delete(k.holders, t.Key)
	h.lost, h.moved = true, t.Moved
	k.mu.Unlock()
	h.superseded(h)
}
