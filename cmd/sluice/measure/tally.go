package measure

import (
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// maxLatency is the maximum of a histogram; longer latencies count as this.
const maxLatency = 2 * time.Minute

// newHistogram returns a histogram of microseconds with three significant digits.
func newHistogram() *hdr.Histogram { return hdr.New(1, maxLatency.Microseconds(), 3) }

// record adds a latency. A negative one, of a clock that is ahead, counts as the least.
func record(h *hdr.Histogram, d time.Duration) {
	// Only a value out of range is an error, and there is none.
	_ = h.RecordValue(min(max(d.Microseconds(), 1), maxLatency.Microseconds()))
}

// shard counts what some of the clients get, so that not all wait for one mutex.
type shard struct {
	mu sync.Mutex // guards what follows
	counts
	own, others *hdr.Histogram
}

// counts are what is counted of arrivals.
type counts struct {
	records, repeated, gaps int64
	// ahead are the records whose time was later than their arrival.
	ahead int64
	lost  int
}

// shards are how many shards there are.
const shards = 16

type tally struct {
	shards [shards]shard

	mu      sync.Mutex // guards what follows
	connect *hdr.Histogram
	back    *hdr.Histogram // times without a connection
	begun   int
	failed  int
	errors  map[string]int
	said    map[string]string // by errors, what the server has said with the first of each
}

func newTally() *tally {
	t := &tally{connect: newHistogram(), back: newHistogram(), errors: map[string]int{}, said: map[string]string{}}
	for i := range t.shards {
		t.shards[i].own, t.shards[i].others = newHistogram(), newHistogram()
	}
	return t
}

// connected counts a client whose subscription has begun.
func (t *tally) connected(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun++
	record(t.connect, took)
}

// cameBack counts a client that has subscribed again, after a time without a connection.
func (t *tally) cameBack(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	record(t.back, took)
}

// refused counts a client that could not subscribe.
func (t *tally) refused(reason, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	t.note(reason, message)
}

// fault counts something else that went wrong.
func (t *tally) fault(reason, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(reason, message)
}

func (t *tally) note(reason, message string) {
	if t.errors[reason]++; t.errors[reason] == 1 && message != "" {
		t.said[reason] = message
	}
}

// connections returns how many clients have subscribed, and how many could not.
func (t *tally) connections() (begun, failed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun, t.failed
}

// sum adds up the shards.
func (t *tally) sum() (c counts, own, others *hdr.Histogram) {
	own, others = newHistogram(), newHistogram()
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		c.records += s.records
		c.repeated += s.repeated
		c.gaps += s.gaps
		c.ahead += s.ahead
		c.lost += s.lost
		own.Merge(s.own)
		others.Merge(s.others)
		s.mu.Unlock()
	}
	return c, own, others
}

// received returns how many records have arrived so far.
func (t *tally) received() (n int64) {
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += t.shards[i].records
		t.shards[i].mu.Unlock()
	}
	return n
}
