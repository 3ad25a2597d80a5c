package hub

import (
	"context"
	"math"
	"sync"
	"time"

	"sluice/hub/event"
	"sluice/hub/filter"
	"sluice/hub/record"
)

// Index is an index of feeds, each of another filter.
type Index struct {
	of    feedIndex
	feeds []*Feed
}

// NewIndex returns the index of some filters' feeds.
func NewIndex(filters ...filter.Filter) *Index {
	x := &Index{of: newFeedIndex()}
	for _, which := range filters {
		f := &Feed{filter: which}
		x.of.add(f)
		x.feeds = append(x.feeds, f)
	}
	return x
}

// Remove removes the feed of a filter, which was given as number i.
func (x *Index) Remove(i int) { x.of.remove(x.feeds[i]) }

// Found returns the filters, by number, whose feeds the index finds for a record.
func (x *Index) Found(r *record.Record) (found []int) {
	var d chunkBuilder
	newEncoder("orders", event.ContentAny, 0).record(&d, r)
	feeds := x.of.find(nil, d.chunk(record.Position{}), 0, new(filter.View))
	for i, f := range x.feeds {
		for _, other := range feeds {
			if f == other {
				found = append(found, i)
			}
		}
	}
	return found
}

// Has reports whether the index has feeds by a field.
func (x *Index) Has(f filter.Field) bool { return x.of.fields.Get(f) != nil }

// Started returns a channel that is closed when Run has begun.
func (h *Hub) Started() <-chan struct{} { return h.started }

// BoundSearch sets how many bytes are searched for the newest records. It must be
// called before the first subscription.
func (h *Hub) BoundSearch(bytes int) { h.newestBytes = bytes }

// Floor returns the offset in its first partition at which a stream's log begins.
func (h *Hub) Floor(stream string) int64 {
	return h.streams()[stream].logNow().floorPosition().Offset(0, 0)
}

// Asked reports whether all filters have been evaluated on everything that a stream's
// log has.
func (h *Hub) Asked(stream string) bool {
	l := h.streams()[stream].logNow()
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.evaluations {
		e := &l.evaluations[k]
		if len(e.feeds) > 0 && e.upTo.Load().index != l.tip.Load().index {
			return false
		}
		for f := range e.apart.feeds {
			if f.tip().index != l.tip.Load().index {
				return false
			}
		}
	}
	return true
}

// OneDigest gives all filters the same digest. It must be called before the first
// subscription.
func (h *Hub) OneDigest(digest string) {
	h.digest = func(f filter.Filter) string {
		if f.All() {
			return ""
		}
		return digest
	}
}

// Unindexed returns how many feeds of a stream are to be added to the index by which
// records find them, or removed from it.
func (h *Hub) Unindexed(stream string) (n int) {
	l := h.streams()[stream].logNow()
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.evaluations {
		n += len(l.evaluations[k].changed)
	}
	return n
}

// Turns are the turns of replays, each known by a number.
type Turns struct {
	replays
	of map[*late]int
}

// Init must be called first.
func (t *Turns) Init(l Limits) {
	t.replays, t.of = newReplays(func() *Limits { return &l }, nil), make(map[*late]int)
}

// Wait makes a replay wait.
func (t *Turns) Wait(tenant, principal string, n int) {
	l := &late{client: client{Tenant: tenant, Principal: principal}}
	t.of[l] = n
	t.wait(l)
}

// Next begins the next replay and returns its number, or -1 for none.
func (t *Turns) Next() int {
	l := t.next()
	if l == nil {
		return -1
	}
	t.begin(l.client)
	return t.of[l]
}

// End ends a replay of a client.
func (t *Turns) End(tenant, principal string) { t.Give(client{Tenant: tenant, Principal: principal}) }

// Len returns how many replays wait.
func (t *Turns) Len() int { return t.waiting.Len() }

// Apart returns how many feeds of a stream are evaluated apart from others.
func (h *Hub) Apart(stream string) int {
	l := h.streams()[stream].logNow()
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.evaluations[ofPredicates].apart.feeds)
}

// Collect is Take without a bound on bytes.
func (s *Subscription) Collect(records int, visit func(isGap bool, body []byte)) (more bool) {
	return s.Take(records, math.MaxInt, visit)
}

// Evaluators sets how many goroutines evaluate filters in turns. It must be called before
// Run.
func (h *Hub) Evaluators(n int) { h.turns = newTurns(n, h.now) }

// FilterTurns are turns in which filters are evaluated.
type FilterTurns struct{ of *turns }

// NewFilterTurns returns turns that a number of goroutines have until the context ends.
func NewFilterTurns(ctx context.Context, running *sync.WaitGroup, evaluators int) *FilterTurns {
	t := &FilterTurns{newTurns(evaluators, time.Now)}
	for range evaluators {
		running.Go(func() { t.of.run(ctx) })
	}
	return t
}

// Payer is a client in whose turns something is evaluated.
type Payer struct{ Tenant, Principal string }

// Task is something to be evaluated.
type Task struct{ of *task }

// NewTask returns a task that is to be run in a turn of one of some clients.
func NewTask(run func(atMost time.Duration) (more bool), of ...Payer) *Task {
	return &Task{&task{
		run: func(_ *filter.View, atMost time.Duration) bool { return run(atMost) },
		clients: func(dst []client) []client {
			for _, p := range of {
				dst = append(dst, p.client())
			}
			return dst
		},
	}}
}

func (p Payer) client() client { return client{Tenant: p.Tenant, Principal: p.Principal} }

// Add, Join, Remove and Do are those of turns.
func (t *FilterTurns) Add(k *Task)            { t.of.add(k.of) }
func (t *FilterTurns) Join(k *Task, of Payer) { t.of.join(k.of, of.client()) }
func (t *FilterTurns) Remove(k *Task) bool    { return t.of.remove(k.of) }
func (t *FilterTurns) Waiting() int           { return t.of.state().Waiting }
func (t *FilterTurns) Members() (n int) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	return len(t.of.all.members)
}

func (t *FilterTurns) Do(ctx context.Context, of Payer, run func(time.Duration) bool) error {
	return t.of.do(ctx, of.client(), func(_ *filter.View, atMost time.Duration) bool { return run(atMost) })
}

// Horizons returns for how many spans a stream remembers how far back they reach.
func (h *Hub) Horizons(stream string) int {
	known := &h.streams()[stream].horizons
	known.mu.Lock()
	defer known.mu.Unlock()
	return len(known.known)
}

// Searching returns how many searches have their turn.
func (h *Hub) Searching() int { return h.searches.Held() }
