package hub

import (
	"math"

	"sluice/hub/event"
)

// Bookmark is the position of a subscription at some time, for Rewind.
type Bookmark struct {
	index uint64
	ok    bool
}

// Given counts what Next has returned.
type Given struct{ Bytes, Records, Gaps int }

// Bookmark returns the current position. Rewind cannot return to a position at which
// the subscription reads from Kafka, or has a position or gaps of its own.
func (s *Subscription) Bookmark() Bookmark { return Bookmark{index: s.index, ok: s.InStep()} }

// InStep reports whether the subscription is only an index of the log: it reads
// nothing from Kafka, and has no position or gaps of its own.
func (s *Subscription) InStep() bool { return s.mode == modeInStep && s.pending == nil }

// Rewind takes back what Next has returned since a bookmark, in a format, after the
// first so many bytes and the end of the event that they end in: Next will return it
// again. Rewind returns a count of what is not taken back, which is more than bytes.
// It reports false, and does nothing, where that is not possible or there is nothing
// to take back.
func (s *Subscription) Rewind(b Bookmark, f event.Format, bytes int) (stay Given, ok bool) {
	if !b.ok || !s.InStep() {
		return Given{}, false
	}
	var matches []uint64 // of a filtered feed
	if s.feed.Filtered() {
		var found, more bool
		matches, found, more = s.feed.ahead(nil, b.index, s.index, math.MaxInt)
		if !found || more {
			return Given{}, false
		}
	}
	var behind *chunk // contains the event to which the last of the bytes belong
	var at int
	for index := b.index; index < s.index; index++ {
		if s.feed.Filtered() {
			if len(matches) == 0 {
				break
			}
			index, matches = matches[0], matches[1:]
		}
		c, i := s.log.find(index)
		if c == nil || i >= c.len() {
			return Given{}, false
		}
		kind := c.at(i).kind
		switch {
		case kind == entryAdvance:
			continue
		case behind != nil:
			// There is an entry after it, to be taken back.
			s.index, s.at = behind.base+uint64(at), s.log.markIn(behind, at)
			return stay, true
		default:
			stay.Bytes += s.shownBytes(c, i, f)
		}
		if kind == entryGap {
			stay.Gaps++
		} else {
			stay.Records++
		}
		if stay.Bytes > bytes {
			behind, at = c, i+1
		}
	}
	return Given{}, false
}

// shownBytes returns the size of an entry in a format, as the subscription was shown it.
func (s *Subscription) shownBytes(c *chunk, i int, f event.Format) int {
	v, at, _ := s.show(c, i, i+1)
	if s.labelled {
		return len(s.feed.labelled(v, at, f))
	}
	return len(v.framed(f, at+1).slice(at, at+1))
}
