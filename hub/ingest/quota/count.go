package quota

import (
	"net/netip"
	"time"
)

// key is what is counted.
type key struct {
	by     scope
	tenant string
	// stream is the stream of a quota that is for one stream only, else "".
	stream string
	// granted is the name of the quota of a principal that comes with a right, else "".
	granted   string
	principal string
	address   netip.Addr
}

// count is what is counted for a key. It is guarded by the lock of Quotas.
type count struct {
	key            key
	rule           *Rule
	records, bytes bucket
	inFlight       int

	// share is the part of a shared rule that this instance has, 1 of others. It lapses at
	// lapses, zero if it was not given by the Sharer.
	share  float64
	lapses time.Time
	// sharing is set while the count is among those whose shares are renewed. asked is the
	// part of the rule's rate, times seconds, that was asked for since the last renewal,
	// want the part that was last wanted, and used when the count was last used.
	sharing     bool
	asked, want float64
	used        time.Time

	// The neighbours in the order of use. A count of those that share one has none.
	newer, older *count
}

// fit makes the buckets those of a rule and a share.
func (c *count) fit(rule *Rule, share float64, now time.Time) {
	if c.rule == rule && c.share == share {
		return
	}
	c.rule, c.share = rule, share
	burst := rule.Burst.Seconds() * share
	c.records.resize(rule.Records*share, rule.Records*burst, now)
	c.bytes.resize(rule.Bytes*share, rule.Bytes*burst, now)
}

// ask is what a batch takes.
type ask struct {
	records, bytes float64
	now            time.Time
}

// refusal is why a count does not admit a batch.
type refusal struct {
	count *count
	unit  string
	most  float64
	wait  time.Duration
	never bool
}

// check returns why the count does not admit a batch, and whether it does. Of two reasons
// it is the one that lasts longer.
func (c *count) check(a *ask) (why refusal, admitted bool) {
	c.records.advance(a.now)
	c.bytes.advance(a.now)
	burst := c.rule.Burst.Seconds()
	for _, one := range [...]struct {
		unit       string
		asked, all float64
		bucket     *bucket
	}{
		{"records", a.records, c.rule.Records * burst, &c.records},
		{"bytes", a.bytes, c.rule.Bytes * burst, &c.bytes},
	} {
		if one.bucket.rate == 0 {
			continue
		}
		if one.asked > one.all {
			return refusal{count: c, unit: one.unit, most: one.all, never: true}, false
		}
		if wait := one.bucket.wait(one.asked); wait > why.wait {
			why = refusal{count: c, unit: one.unit, most: one.all, wait: wait}
		}
	}
	if most := c.rule.Concurrent; why.wait == 0 && most > 0 && c.inFlight >= most {
		return refusal{count: c, unit: "publishes", most: float64(most)}, false
	}
	return why, why.wait == 0
}

// take counts a batch that is admitted.
func (c *count) take(a *ask) {
	c.records.take(a.records)
	c.bytes.take(a.bytes)
	c.inFlight++
}

// note records what is asked of a shared rule, admitted or not.
func (c *count) note(a *ask) {
	c.used = a.now
	var part float64
	if c.rule.Records > 0 {
		part = a.records / c.rule.Records
	}
	if c.rule.Bytes > 0 {
		part = max(part, a.bytes/c.rule.Bytes)
	}
	c.asked += part
}

// rested reports whether the count can be forgotten, as a new one would be the same.
func (c *count) rested(now time.Time) bool {
	if c.inFlight > 0 || c.sharing {
		return false
	}
	c.records.advance(now)
	c.bytes.advance(now)
	return c.records.full() && c.bytes.full()
}
