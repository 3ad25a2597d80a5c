package hub

import (
	"errors"
	"slices"
)

// ErrFilterLag is the fault of a filter whose evaluation was behind for longer than
// Limits.FilterLag, because it is costly.
var ErrFilterLag = errors.New("the filter cannot keep up with the stream")

// tip returns the mark up to which the feed has been given its matches.
func (f *Feed) tip() *mark {
	if f.asked == nil {
		return f.log.tip.Load()
	}
	return f.asked.at.Load().upTo.Load()
}

// awaitBehind has the feed woken when filters have been evaluated beyond its tip. It
// reports false when that has happened in the meantime.
func (f *Feed) awaitBehind(tip *mark) bool {
	if f.asked == nil || tip.index >= f.log.tip.Load().index {
		return true
	}
	at := f.asked.at.Load()
	at.await(f)
	// If the feed is evaluated elsewhere from now on, who moves it removes it here.
	return f.asked.at.Load() == at && at.upTo.Load() == tip
}

// lose is called when entries below the floor were removed before the feed was given
// them: a subscription that has not reached the floor reads them from Kafka, or is
// treated according to the stream's policy.
func (f *Feed) lose(floor uint64) {
	f.mu.Lock()
	f.trim(floor)
	f.since = max(f.since, floor)
	f.mu.Unlock()
}

// lags reports whether the feed's filter could not keep up, and is not evaluated any
// more.
func (f *Feed) lags() bool { return f.asked != nil && f.asked.lags.Load() }

// giveUp ends the evaluation of the feed's filter.
func (f *Feed) giveUp() {
	err := ErrFilterLag
	f.asked.fault.Store(&err)
	f.asked.lags.Store(true)
}

// failed reports whether a predicate of the feed has failed on the entry at an index,
// which is one of its matches.
func (f *Feed) failed(index uint64) bool {
	if f.asked == nil || !f.asked.failed.Load() {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, failed := slices.BinarySearch(f.asked.failures, index)
	return failed
}

// reaches reports whether a subscription can be in step with the feed from an index on.
// If the feed has predicates, it can only where the feed has been given its matches:
// before that, it evaluates its filter itself as it reads.
func (f *Feed) reaches(index uint64) bool {
	if !f.filter.HasPredicates() {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return index >= f.since
}

// someClients appends to dst some of the clients that have subscriptions to the feed, at
// most maxPayers, others each time if there are more.
func (f *Feed) someClients(dst []client) []client {
	f.mu.Lock()
	defer f.mu.Unlock()
	for of := range f.holders { // in random order
		if dst = append(dst, of); len(dst) == maxPayers {
			break
		}
	}
	return dst
}

// hold counts a subscription of a client that joins, or leaves with n -1. The caller holds
// Feed.mu.
func (f *Feed) hold(of client, n int) {
	if f.holders == nil {
		f.holders = make(map[client]int, 1)
	}
	count(f.holders, of, n)
}

func count(all map[client]int, of client, n int) {
	if all[of] += n; all[of] == 0 {
		delete(all, of)
	}
}

// Fault returns the last failure of a predicate of the feed's filter, or ErrFilterLag,
// nil when there was none.
func (f *Feed) Fault() error {
	if f.asked == nil {
		return nil
	}
	if fault := f.asked.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}
