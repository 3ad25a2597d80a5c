package transport_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

// memoryStore is a cursors.Store in memory, which can become unavailable.
type memoryStore struct {
	mu     sync.Mutex
	at     map[cursors.Key]cursors.Commit
	fences map[cursors.Key]int64
	moved  map[cursors.Key]int64 // the fences of operators
	fence  int64
	took   int64 // how many times names have been taken
	away   bool
	// taking is called, with the lock, before each take.
	taking func(cursors.Key)
	// taken is called, without the lock, after each take.
	taken func()
	// names is how many names there may be, if above 0.
	names int
	// held makes every call wait until its context ends.
	held atomic.Bool
}

func newMemoryStore() *memoryStore {
	return &memoryStore{at: make(map[cursors.Key]cursors.Commit), fences: make(map[cursors.Key]int64), moved: make(map[cursors.Key]int64)}
}

func (m *memoryStore) wait(ctx context.Context) error {
	if !m.held.Load() {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (m *memoryStore) setAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

func (m *memoryStore) Load(ctx context.Context, name cursors.Key) (cursors.Stored, error) {
	if err := m.wait(ctx); err != nil {
		return cursors.Stored{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.at[name]
	switch {
	case m.away:
		return cursors.Stored{}, cursors.ErrStoreUnavailable
	case !ok:
		return cursors.Stored{}, cursors.ErrNoCursor
	}
	return m.stored(c), nil
}

// stored returns what is stored under the name of a commit. The caller holds the lock.
func (m *memoryStore) stored(c cursors.Commit) cursors.Stored {
	return cursors.Stored{Position: c.Position, At: c.At, Fence: m.fences[c.Key], Moved: m.moved[c.Key]}
}

// next returns a fence, which is a time, as in Redis. The caller holds the lock.
func (m *memoryStore) next() int64 {
	m.fence = max(m.fence+1, time.Now().UnixMicro())
	return m.fence
}

func (m *memoryStore) Take(ctx context.Context, name cursors.Key) (cursors.Stored, error) {
	if err := m.wait(ctx); err != nil {
		return cursors.Stored{}, err
	}
	m.mu.Lock()
	if m.taking != nil {
		m.taking(name)
	}
	m.mu.Unlock()
	stored, err := m.Load(ctx, name)
	m.mu.Lock()
	if m.away {
		m.mu.Unlock()
		return stored, err
	}
	if m.full(name) {
		m.mu.Unlock()
		return cursors.Stored{}, cursors.ErrTooManyNames
	}
	stored.Fence, stored.Moved = m.next(), m.moved[name]
	m.fences[name] = stored.Fence
	m.took++
	taken := m.taken
	m.mu.Unlock()
	if taken != nil {
		taken()
	}
	return stored, err
}

// full reports whether a name is new, and there are as many as may be. The caller holds
// the lock.
func (m *memoryStore) full(name cursors.Key) bool {
	_, stored := m.at[name]
	_, taken := m.fences[name]
	all := make(map[cursors.Key]bool)
	for one := range m.at {
		all[one] = true
	}
	for one := range m.fences {
		all[one] = true
	}
	return m.names > 0 && !stored && !taken && len(all) >= m.names
}

// takes returns how many times names have been taken.
func (m *memoryStore) takes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.took
}

// takeElsewhere takes all names as another instance would, without a message that
// reports it.
func (m *memoryStore) takeElsewhere() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took++
	fence := m.next()
	for name := range m.fences {
		m.fences[name] = fence
	}
}

func (m *memoryStore) Commit(ctx context.Context, commits []cursors.Commit) []cursors.Committed {
	if err := m.wait(ctx); err != nil {
		return slices.Repeat([]cursors.Committed{{Err: err}}, len(commits))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	results := make([]cursors.Committed, len(commits))
	for i, c := range commits {
		had := m.at[c.Key]
		switch {
		case m.away:
			results[i].Err = cursors.ErrStoreUnavailable
			continue
		case c.Fence == 0 && m.full(c.Key):
			results[i].Err = cursors.ErrTooManyNames
			continue
		case c.Fence != 0 && c.Fence < m.fences[c.Key]:
			results[i].Err = cursors.ErrSuperseded
			if m.moved[c.Key] == m.fences[c.Key] {
				results[i].Err = cursors.ErrMoved
			}
			continue
		case c.Fence == 0 && !c.Reset && c.Since < m.moved[c.Key]:
			results[i].Err = cursors.ErrMoved
			continue
		case c.Fence == 0 && !c.Reset && had.Position.Topic == c.Position.Topic:
			c.Position = furthest(had.Position, c.Position)
			m.at[c.Key] = c
		case c.Reset || c.Position.Covers(had.Position) || had.Position.Topic != c.Position.Topic,
			c.Fence == had.Fence && c.Breaks.Of(0) > had.Breaks.Of(0):
			m.at[c.Key] = c
		}
		if c.Reset && c.Fence == 0 {
			delete(m.moved, c.Key)
		}
		results[i] = cursors.Committed{Stored: m.stored(m.at[c.Key])}
		results[i].Fence = max(c.Fence, results[i].Fence)
	}
	return results
}

// furthest merges positions in a topic as commits without a lease are: an offset goes by
// its epoch first.
func furthest(one, other record.Position) record.Position {
	one = one.Clone()
	for _, at := range other.Offsets {
		if was, ok := one.Find(at.Partition); !ok || at.Epoch > was.Epoch || at.Epoch == was.Epoch && at.Offset > was.Offset {
			one.Set(at)
		}
	}
	return one
}

// List implements cursors.Lister. A page ends with the name of its last cursor.
func (m *memoryStore) List(ctx context.Context, asked cursors.Listing) (page cursors.Page, err error) {
	if err := m.wait(ctx); err != nil {
		return page, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return page, cursors.ErrStoreUnavailable
	}
	var all []cursors.Listed
	for key, c := range m.at {
		if strings.HasPrefix(key.Principal, asked.KeyPrefix) && (asked.Principal == "" || key.Principal == asked.Principal) &&
			(asked.Stream == "" || key.Stream == asked.Stream) && key.Name > asked.After {
			all = append(all, cursors.Listed{Key: key, Stored: m.stored(c)})
		}
	}
	slices.SortFunc(all, func(a, b cursors.Listed) int { return strings.Compare(a.Name, b.Name) })
	if len(all) > asked.Limit {
		page.Next = all[asked.Limit-1].Name
		all = all[:asked.Limit]
	}
	page.Cursors = all
	return page, nil
}

func (m *memoryStore) Move(ctx context.Context, name cursors.Key, to record.Position, at time.Time) (cursors.Stored, error) {
	if err := m.wait(ctx); err != nil {
		return cursors.Stored{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.at[name]; !ok || m.away {
		return cursors.Stored{}, cursors.ErrNoCursor
	}
	fence := m.next()
	m.fences[name], m.moved[name] = fence, fence
	m.at[name] = cursors.Commit{Key: name, Ack: cursors.Ack{Position: to, At: at}}
	return m.stored(m.at[name]), nil
}

func (m *memoryStore) Delete(ctx context.Context, name cursors.Key) error {
	if err := m.wait(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.at, name)
	return nil
}

func (m *memoryStore) Superseded(ctx context.Context, _ func(cursors.Taken), _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

func (*memoryStore) Fences(_ context.Context, names []cursors.Key) ([]cursors.Taken, error) {
	return make([]cursors.Taken, len(names)), nil
}
