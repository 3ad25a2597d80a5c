package hub

import "time"

// tabsKept is how many tabs are kept before those that are settled are looked for.
const tabsKept = 256

// tabs are what the filters that are evaluated together cost, by principal: a principal
// that has many filters, each of which is quick, delays those of others no more than one
// that has a costly one.
type tabs map[client]*tab

// charge charges evaluations of a feed's filter to one of the principals that have the
// feed, until that has taken its share: then to another one.
func (all tabs) charge(f *Feed, spent time.Duration, times int, now time.Time) {
	if f.asked.tab == nil {
		f.asked.tab = all.least(f, now)
	}
	if t := f.asked.tab; t != nil {
		t.drain(now)
		t.level = min(t.level+spent*time.Duration(times), tabMost)
		t.costly = spent > 2*quickCost || t.costly && t.level > tabBurst/2
	}
}

// sheds reports whether a feed is to be evaluated apart because the principals that have
// it have taken more than their share. Of those whose filters are quick, and only many, it
// sheds some at a time, as long as the rest takes too much.
func (all tabs) sheds(f *Feed, now func() time.Time) bool {
	if !all.full(f, now) {
		return false
	}
	if t := f.asked.tab; !t.costly {
		t.level -= tabCredit
	}
	return true
}

// full reports whether the principals that have a feed have taken more than their share.
func (all tabs) full(f *Feed, now func() time.Time) bool {
	if t := f.asked.tab; t != nil && t.level <= tabBurst {
		return false
	}
	f.asked.tab = all.least(f, now())
	return f.asked.tab != nil && f.asked.tab.level > tabBurst
}

// least returns of the principals that have a feed the tab of that which has been charged
// least. It is nil while nobody has the feed.
func (all tabs) least(f *Feed, now time.Time) (least *tab) {
	var some [maxPayers]client
	for _, of := range f.someClients(some[:0]) {
		t := all[of]
		if t == nil {
			all.sweep(now)
			t = &tab{at: now}
			all[of] = t
		}
		if t.drain(now); least == nil || t.level < least.level {
			least = t
		}
	}
	return least
}

// sweep removes the tabs that are settled, now and then.
func (all tabs) sweep(now time.Time) {
	n := len(all)
	if n < tabsKept || n&(n-1) != 0 {
		return
	}
	for of, t := range all {
		if t.drain(now); t.level == 0 {
			delete(all, of)
		}
	}
}
