package hub

import (
	"math/rand/v2"
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
	each  int    // the number of evaluations for which the next that is measured stands
}

// weight returns for how many evaluations one that is measured stands.
func (c *cost) weight() int { return max(1, c.each) }

// due reports whether the next evaluation is to be measured.
func (c *cost) due() bool {
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
	c.each = c.skip + 1
	return c.level > min(costlyAfter, newCredit+time.Duration(c.seen)*quickCost/2)
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
