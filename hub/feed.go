package hub

import (
	"encoding/json"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"sluice/hub/event"
	"sluice/hub/filter"
)

// scanAtOnce bounds how many entries are searched for the keys of a feed before other subscriptions have their turn.
const scanAtOnce = 8 << 10

const (
	// askAtOnce bounds the number of entries on which filters are evaluated before
	// subscriptions may read them.
	askAtOnce = 1 << 10
	// askTime is how long a subscription evaluates its filter itself before other
	// subscriptions have their turn.
	askTime = 500 * time.Microsecond
)

// Lane is what a stream's deliveries have in common, for a worker that shares its time
// among streams and tenants.
type Lane struct {
	// Tenant is the tenant of the stream, "" for none.
	Tenant string
	Stream string
}

// Feed is shared by all subscriptions with equal stream and filter.
type Feed struct {
	log    *log
	filter filter.Filter
	name   string // "" without a filter
	rests  bool   // it is that of paused subscriptions
	label  []byte // the feed's name in events, for connections with several feeds

	dirty atomic.Uint64 // a bit for each shard that has been woken
	named atomic.Pointer[[16]atomic.Pointer[named]]
	asked *asked // nil if a record's key alone decides

	// Owned by the goroutine that matches: the appender, or an evaluator.
	matching bool // it is in the list of feeds to wake

	// Guarded by what guards the index that has the feed: log.mu, or the evaluator's
	// goroutine.
	by     int32 // the field set by which the feed is indexed, byKeys or byNothing
	places []int // for each text by which it is indexed, its place among the feeds that have it

	mu   sync.Mutex
	subs []*Subscription
	// holders are the clients of the subscriptions, with the numbers of these, if the
	// filter has predicates.
	holders map[client]int
	since   uint64   // matches holds all matches from this index on
	matches []uint64 // indexes of entries for a filtered feed, rising
}

// asked is the additional state of a feed whose filter is evaluated.
type asked struct {
	fault atomic.Pointer[error]
	// at is how far the filter has been evaluated: what the feeds of an evaluation
	// share, or the feed's own.
	at atomic.Pointer[reached]
	// lags is set when the filter could not keep up, and is no longer evaluated.
	lags atomic.Bool
	// failed is set once a predicate has failed on a record. Failures are the indexes of
	// these records, which are matches, too; guarded by Feed.mu.
	failed   atomic.Bool
	failures []uint64
	price    price // of evaluating it on what late subscriptions read

	// Owned by the evaluator.
	cost   cost
	tab    *tab   // to which the last evaluation that was measured was charged
	costly bool   // it is to be evaluated apart from others from an index on
	from   uint64 // that index, or the one from which on it is evaluated with others

	apart *apart // nil while evaluated with others; guarded by log.mu
}

// takes reports whether the filter is to be evaluated with others on the entry at an
// index.
func (a *asked) takes(index uint64) bool { return !a.costly && index >= a.from }

// named is an entry in a wire format with the name of its feed in it, kept so that
// several subscriptions of a filtered feed share it, if they are shown the same of the
// chunk. It refers to that by number only, so that a feed without new entries does not
// keep a chunk that the log has removed.
type named struct {
	shown uint64
	i     int
	slot  int
	bytes []byte
}

// Owner is what a subscription delivers to.
type Owner interface {
	// Pump reports that a subscription may have something to deliver. It must not
	// block, and must ensure that Next is called soon.
	Pump()
}

// add adds a subscription. The caller holds f.mu.
func (f *Feed) add(s *Subscription) {
	s.slot = len(f.subs)
	f.subs = append(f.subs, s)
}

// Name identifies the feed among all feeds of the instance: the stream and, with a
// filter, a digest of the filter.
func (f *Feed) Name() string {
	if f.name == "" {
		return f.log.stream
	}
	return f.log.stream + "#" + f.name
}

// Lane returns the lane of the feed's stream. It is another one each time that reading
// of the stream begins.
func (f *Feed) Lane() *Lane { return f.log.lane }

// Indexed returns how many keys and field values the feed's filter has.
func (f *Feed) Indexed() int { return f.filter.Indexed() }

// Filtered reports whether the feed has a filter.
func (f *Feed) Filtered() bool { return f.name != "" }

// match adds an entry, on which the filter has a verdict, to the matches of the feed and
// reports whether it is the first since the feed was last woken. It is called by the
// appender or, for a feed whose filter is evaluated, by who evaluates.
func (f *Feed) match(index, floor uint64, said filter.Verdict) bool {
	f.mu.Lock()
	if len(f.matches) == cap(f.matches) {
		f.trim(floor)
	}
	f.matches = append(f.matches, index)
	if said == filter.Failed {
		f.asked.failures = append(f.asked.failures, index)
		f.asked.failed.Store(true)
	}
	f.mu.Unlock()
	first := !f.matching
	f.matching = true
	return first
}

// trim removes matches below the floor. The caller holds f.mu.
func (f *Feed) trim(floor uint64) {
	n := sort.Search(len(f.matches), func(i int) bool { return f.matches[i] >= floor })
	if n == 0 {
		return
	}
	f.since = max(f.since, f.matches[n-1]+1)
	f.matches = f.matches[:copy(f.matches, f.matches[n:])]
	if f.asked != nil {
		f.asked.failures = f.asked.failures[sort.Search(len(f.asked.failures), func(i int) bool { return f.asked.failures[i] >= floor }):]
	}
}

// ahead appends to dst the indexes of up to n matches from an index on, below the
// tip. It reports ok false when the log no longer reaches back to that index, and
// more when the log has to be searched further: the caller must call ahead again.
func (f *Feed) ahead(dst []uint64, from, tip uint64, n int) (matches []uint64, ok, more bool) {
	atOnce, began := uint64(scanAtOnce), time.Time{}
	if f.asked != nil {
		atOnce, began = 128, f.log.now()
	}
	for {
		f.mu.Lock()
		since := f.since
		if from >= since {
			i := sort.Search(len(f.matches), func(i int) bool { return f.matches[i] >= from })
			for ; i < len(f.matches) && n > 0 && f.matches[i] < tip; i++ {
				dst = append(dst, f.matches[i])
				n--
			}
			f.mu.Unlock()
			return dst, true, false
		}
		f.mu.Unlock()
		if more && (f.asked == nil || f.log.now().Sub(began) > askTime) {
			return dst, true, true
		}

		// The feed is younger than the index: search the log backwards, because the
		// matches must not have gaps.
		if c, _ := f.log.find(from); c == nil {
			return dst, false, false
		}
		begin := max(from, since-atOnce)
		older, failures, ok := f.scan(begin, since)
		if !ok {
			return dst, false, false
		}
		f.mu.Lock()
		if f.since == since {
			f.matches = append(older, f.matches...)
			f.since = begin
			if len(failures) > 0 {
				f.asked.failures = append(failures, f.asked.failures...)
				f.asked.failed.Store(true)
			}
		}
		f.mu.Unlock()
		more = true
	}
}

// scan finds the matches between two indexes of the log, and those of them on which a
// predicate has failed. No subscription is in step with a feed that has predicates before
// the feed has its matches, see reaches.
func (f *Feed) scan(from, to uint64) (found, failures []uint64, ok bool) {
	var view filter.View
	for from < to {
		c, i := f.log.find(from)
		if c == nil {
			return nil, nil, false
		}
		n := min(c.len(), int(to-c.base))
		for ; i < n; i++ {
			if c.at(i).kind == entryAdvance {
				continue
			}
			said := passes(&f.filter, c, i, &view)
			if said != filter.No {
				found = append(found, c.base+uint64(i))
			}
			if said == filter.Failed {
				failures = append(failures, c.base+uint64(i))
			}
		}
		from = c.base + uint64(n)
	}
	return found, failures, true
}

// notify wakes the shards that have subscriptions of the feed.
func (f *Feed) notify() {
	var shards uint64
	f.mu.Lock()
	for _, s := range f.subs {
		shards |= 1 << s.shard
	}
	f.mu.Unlock()
	for shard := 0; shards != 0; shard, shards = shard+1, shards>>1 {
		bit := uint64(1) << shard
		if shards&1 != 0 && f.dirty.Or(bit)&bit == 0 {
			f.log.wake(shard, f)
		}
	}
}

// Take appends to dst the owners of the feed's subscriptions in a shard. The worker
// that was woken for the shard calls it; after that the shard can be woken again.
func (f *Feed) Take(shard int, dst []Owner) []Owner {
	f.dirty.And(^(uint64(1) << shard))
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.subs {
		if s.shard == shard {
			dst = append(dst, s.owner)
		}
	}
	return dst
}

// labelled returns an entry of what is shown of a chunk in a format, with the feed's name in it.
func (f *Feed) labelled(v *shown, i int, format event.Format) []byte {
	shared := f.named.Load()
	if shared != nil {
		if n := shared[i%len(shared)].Load(); n != nil && n.shown == v.serial && n.i == i && n.slot == format.Slot() {
			return n.bytes
		}
	}
	body, prefix, layOut := v.body(i), event.Prefix, format.AppendEvent
	if v.of.at(i).kind == entryGap {
		prefix, layOut = event.GapPrefix, format.AppendGap
	}
	labelled := make([]byte, 0, len(body)+len(f.label))
	labelled = append(labelled, prefix...)
	labelled = append(labelled, f.label...)
	labelled = append(labelled, body[len(prefix):]...)
	bytes := layOut(make([]byte, 0, len(labelled)+16), labelled)
	if shared != nil {
		shared[i%len(shared)].Store(&named{shown: v.serial, i: i, slot: format.Slot(), bytes: bytes})
	}
	return bytes
}

// labelOf returns the text after event.Prefix in events of a filtered feed.
func labelOf(name string) []byte {
	text, err := json.Marshal(name)
	if err != nil {
		panic("hub: a string cannot be marshalled: " + err.Error())
	}
	return slices.Concat([]byte(`"feed":`), text, []byte(","))
}

// keyPasses reports whether readable entry i of a chunk has a key of a filter. Gaps
// pass every filter.
func keyPasses(f *filter.Filter, c *chunk, i int) bool {
	e := c.at(i)
	if e.kind != entryRecord || f.AnyKey() {
		return true
	}
	return e.keyEnd != 0 && f.HasKey(e.hash, c.body(i)[e.keyStart:e.keyEnd])
}

// passes returns a filter's verdict on readable entry i of a chunk. Gaps pass every
// filter. The view may be nil.
func passes(f *filter.Filter, c *chunk, i int, view *filter.View) filter.Verdict {
	switch {
	case !keyPasses(f, c, i):
		return filter.No
	case c.at(i).kind != entryRecord:
		return filter.Yes
	}
	return f.Ask(&c.verdicts, c, i, view)
}
