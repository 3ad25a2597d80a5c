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

// scanAtOnce bounds how many entries are looked through for a feed before others
// have their turn, where no predicates are asked.
const scanAtOnce = 8 << 10

const (
	// askAtOnce bounds about how many entries predicates are asked before what
	// passes is given to the feeds.
	askAtOnce = 1 << 10
	// askTime is for how long a subscription that reads from elsewhere has
	// predicates asked before others have their turn.
	askTime = 500 * time.Microsecond
)

// Feed is what all subscriptions with an equal stream and filter share.
type Feed struct {
	log    *log
	filter filter.Filter
	name   string // "" without a filter
	label  []byte // what events say of it on connections with several feeds

	dirty atomic.Uint64 // a bit for each shard that has been woken
	named atomic.Pointer[[16]atomic.Pointer[named]]
	asked *asked // nil without predicates

	matching bool  // among those that are to be woken; owned by who matches
	places   []int // for each key, among the feeds that have it; guarded by log.mu

	mu      sync.Mutex
	subs    []*Subscription
	since   uint64   // matches holds all from this index on
	matches []uint64 // indexes of entries for a filtered feed, rising
}

// asked is what a feed with predicates has besides.
type asked struct {
	// awaited is set by those who wait for predicates to be asked, whatever they
	// say.
	awaited atomic.Bool
	fault   atomic.Pointer[error]
}

// named is an entry on the wire with the name of its feed in it, kept so that
// several subscribers of a filtered feed share it. Of the chunk it keeps only the
// number: what the log has given up is not to stay for a feed that is quiet.
type named struct {
	chunk uint64
	i     int
	slot  int
	bytes []byte
}

// Owner is whoever a subscription delivers to.
type Owner interface {
	// Pump tells that a subscription may have something to deliver. It must
	// not block, and must see to it that Next is called before long.
	Pump()
}

// Name tells the feed apart from all others of the instance: the stream, and with
// a filter a digest of it.
func (f *Feed) Name() string {
	if f.name == "" {
		return f.log.stream
	}
	return f.log.stream + "#" + f.name
}

// Keys is how many keys the feed's filter has.
func (f *Feed) Keys() int { return f.filter.Keys() }

// Filtered reports whether the feed has less than its stream.
func (f *Feed) Filtered() bool { return f.name != "" }

// keyIndex finds feeds by a key, as it stands in an event, that their filters have.
type keyIndex map[string][]*Feed

func (x keyIndex) add(f *Feed) {
	f.places = make([]int, f.filter.Keys())
	for i := range f.places {
		key := f.filter.Key(i)
		f.places[i] = len(x[key])
		x[key] = append(x[key], f)
	}
}

func (x keyIndex) remove(f *Feed) {
	for i, at := range f.places {
		key := f.filter.Key(i)
		others := x[key]
		end := len(others) - 1
		if end == 0 {
			delete(x, key)
			continue
		}
		moved := others[end]
		moved.places[moved.filter.Index(key)] = at
		others[at], others[end] = moved, nil
		x[key] = others[:end]
	}
}

// match notes an entry for the feed and reports whether it is the first one since it
// was to be woken last. It is for the appender, or, with predicates, for the log's
// evaluation.
func (f *Feed) match(index, floor uint64) bool {
	f.mu.Lock()
	if len(f.matches) == cap(f.matches) {
		f.trim(floor)
	}
	f.matches = append(f.matches, index)
	f.mu.Unlock()
	first := !f.matching
	f.matching = true
	return first
}

// trim forgets matches below the floor. The caller holds f.mu.
func (f *Feed) trim(floor uint64) {
	n := sort.Search(len(f.matches), func(i int) bool { return f.matches[i] >= floor })
	if n == 0 {
		return
	}
	f.since = max(f.since, f.matches[n-1]+1)
	f.matches = f.matches[:copy(f.matches, f.matches[n:])]
}

// ahead appends to dst the indexes of up to n matches from an index on, below
// the tip. It reports false when the log no longer reaches back so far, and more
// when it has first to be looked through further, by asking again.
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

		// The feed is younger than its reader's place: look through the log,
		// backwards, as what was found must not have gaps.
		if c, _ := f.log.find(from); c == nil {
			return dst, false, false
		}
		begin := max(from, since-atOnce)
		older, ok := f.scan(begin, since)
		if !ok {
			return dst, false, false
		}
		f.mu.Lock()
		if f.since == since {
			f.matches = append(older, f.matches...)
			f.since = begin
		}
		f.mu.Unlock()
		more = true
	}
}

// scan finds the matches between two indexes of the log.
func (f *Feed) scan(from, to uint64) ([]uint64, bool) {
	var found []uint64
	for from < to {
		c, i := f.log.find(from)
		if c == nil {
			return nil, false
		}
		n := min(c.len(), int(to-c.base))
		for ; i < n; i++ {
			if c.at(i).kind != entryAdvance && passes(&f.filter, c, i) != filter.No {
				found = append(found, c.base+uint64(i))
			}
		}
		from = c.base + uint64(n)
	}
	return found, true
}

// notify wakes the shards that the feed has subscribers in.
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

// Take appends to dst the owners of the feed's subscriptions in a shard. It is
// for who was woken for that shard, and lets the next wake come.
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

// labelled gives an entry in a format with the feed's name in it.
func (f *Feed) labelled(c *chunk, i int, format event.Format) []byte {
	shared := f.named.Load()
	if shared != nil {
		if n := shared[i%len(shared)].Load(); n != nil && n.chunk == c.serial && n.i == i && n.slot == format.Slot() {
			return n.bytes
		}
	}
	body, prefix, layOut := c.body(i), event.Prefix, format.AppendEvent
	if c.at(i).kind == entryGap {
		prefix, layOut = event.GapPrefix, format.AppendGap
	}
	labelled := make([]byte, 0, len(body)+len(f.label))
	labelled = append(labelled, prefix...)
	labelled = append(labelled, f.label...)
	labelled = append(labelled, body[len(prefix):]...)
	bytes := layOut(make([]byte, 0, len(labelled)+16), labelled)
	if shared != nil {
		shared[i%len(shared)].Store(&named{chunk: c.serial, i: i, slot: format.Slot(), bytes: bytes})
	}
	return bytes
}

// labelOf is what is put behind event.Prefix in events of a filtered feed.
func labelOf(name string) []byte {
	text, err := json.Marshal(name)
	if err != nil {
		panic("hub: a string cannot be marshalled: " + err.Error())
	}
	return slices.Concat([]byte(`"feed":`), text, []byte(","))
}

// keyPasses reports whether readable entry i of a chunk has a key of a filter. Gaps
// are for all.
func keyPasses(f *filter.Filter, c *chunk, i int) bool {
	e := c.at(i)
	if e.kind != entryRecord || f.AnyKey() {
		return true
	}
	return e.keyEnd != 0 && f.HasKey(e.hash, c.body(i)[e.keyStart:e.keyEnd])
}

// passes is what a filter says of readable entry i of a chunk: of a record, as all
// gaps pass.
func passes(f *filter.Filter, c *chunk, i int) filter.Verdict {
	switch {
	case !keyPasses(f, c, i):
		return filter.No
	case c.at(i).kind != entryRecord:
		return filter.Yes
	}
	return f.Ask(&c.verdicts, c, i, nil)
}
