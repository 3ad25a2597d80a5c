package hub

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quickCost is how long a filter may take for each record of the stream, on
	// average, to be evaluated with the others. Most take less than a microsecond.
	quickCost = 20 * time.Microsecond
	// costlyAfter is by how much it may take longer than that, once it is known. A filter
	// that is new may take no more than newCredit longer, and half of quickCost for each
	// record on which it was evaluated.
	costlyAfter = 64 * quickCost
	newCredit   = 4 * quickCost
	// knownAfter is how many evaluations in a row have to be quick for a filter to be
	// measured only now and then.
	knownAfter = 64
	// leastSkipped and mostSkipped are between how many evaluations lie between two
	// that are then measured. The number is random, so that no filter can tell.
	leastSkipped, mostSkipped = 8, 24
	// quickAgainAfter is the number of entries over which a costly filter must have
	// been quick to be evaluated with the others again.
	quickAgainAfter = 256
)

// cost is what the filter of a feed costs: a bucket into which the time that it takes
// flows, and out of which flows what it may take.
type cost struct {
	level time.Duration
	at    uint64 // the index of the entry at which the bucket had that level
	seen  int    // the number of evaluations that were measured, up to those that give a filter the credit of one that is known
	known int    // the number of evaluations in a row that were quick
	skip  int    // the number of evaluations that are not to be measured
	each  int    // the number of evaluations since the last that was measured
}

// due reports whether the next evaluation is to be measured.
func (c *cost) due() bool {
	c.each++
	if c.skip == 0 {
		return true
	}
	c.skip--
	return false
}

// add adds an evaluation on an entry, and reports whether the filter has turned out to
// be costly.
func (c *cost) add(spent time.Duration, index uint64) bool {
	if c.level > 0 && index > c.at {
		c.level -= time.Duration(min(index-c.at, uint64(c.level/quickCost)+1)) * quickCost
	}
	c.level, c.at = max(c.level, 0)+spent, index
	c.seen = min(c.seen+1, int(2*costlyAfter/quickCost))
	if spent > quickCost {
		c.known = 0
	} else if c.known++; c.known > knownAfter {
		c.skip = leastSkipped + rand.IntN(mostSkipped-leastSkipped+1) //nolint:gosec // no more than the cost of a filter depends on it
	}
	c.each = 0
	return c.level > min(costlyAfter, newCredit+time.Duration(c.seen)*quickCost/2)
}

// apart is the state of a feed that is evaluated apart from others.
type apart struct {
	reached
	task
	// next is the index of the next entry to evaluate. It is changed under log.mu.
	next uint64

	// Owned by the turn in which the feed is evaluated.

	// due is the tip that has to be reached next, and was appended at its time.
	due *mark
	// The number of entries that were evaluated lately, and the time that they took.
	entries int
	spent   time.Duration
	// quick is set while the filter is quick again.
	quick bool
}

// add adds entries that were evaluated, and the time that they took.
func (a *apart) add(entries int, spent time.Duration) {
	a.entries += entries
	a.spent += spent
	if a.entries >= quickAgainAfter {
		a.quick = a.spent < time.Duration(a.entries)*quickCost/2
		a.entries, a.spent = 0, 0
	}
}

const (
	// tabShare is of how much of the time the filters of a principal may take a part,
	// together, to be evaluated with those of others: a quarter.
	tabShare = 4
	// tabBurst is by how much they may take more at once.
	tabBurst = 4 * time.Millisecond
	// tabMost bounds what is remembered of those that have taken more, because there was
	// nobody else.
	tabMost = 2 * tabBurst
	// tabCredit is what is taken off for a quick filter that is evaluated with those of
	// others no more. It is what that would have taken for some records.
	tabCredit = 8 * quickCost
)

// tab is a bucket into which the time flows that a principal's filters take, and out of
// which flows what they may take.
type tab struct {
	level time.Duration
	at    time.Time // when the bucket had that level
	// costly is set while some of the evaluations are long, and they are not only many.
	costly bool
}

func (t *tab) drain(now time.Time) {
	t.level, t.at = max(0, t.level-now.Sub(t.at)/tabShare), now
}

const (
	// lateCredit is by how much more than quickCost a record a filter may take, on what
	// late subscriptions read, to be evaluated by these.
	lateCredit = 16 * quickCost
	// quickAfter is on how many records a filter must have been quick for that.
	quickAfter = 32
)

// price is what it costs to evaluate a filter on what late subscriptions read. It is safe
// for concurrent use.
type price struct {
	// quick is set while subscriptions may evaluate the filter themselves. A filter that
	// is new is not known to be quick.
	quick atomic.Bool

	mu        sync.Mutex
	evaluated int // lately
	spent     time.Duration
}

// add adds evaluations, and the time that they took.
func (p *price) add(evaluated int, spent time.Duration) {
	if evaluated == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.evaluated += evaluated
	p.spent += spent
	may := time.Duration(p.evaluated) * quickCost
	switch {
	case p.spent > may+lateCredit:
		p.quick.Store(false)
	case p.evaluated < quickAfter:
		return
	default:
		p.quick.Store(p.spent < may/2 || p.quick.Load() && p.spent < may)
	}
	p.evaluated, p.spent = 0, 0
}
