package hub

import (
	"sluice/hub/event"
	"sluice/hub/filter"
)

// Bookmark is where a subscription was before it gave something out.
type Bookmark struct {
	index uint64
	ok    bool
}

// Given counts what Next has given out.
type Given struct{ Bytes, Records, Gaps int }

// Bookmark is where the subscription is. Nothing can be given back to where it
// reads from Kafka, or has a position or gaps of its own.
func (s *Subscription) Bookmark() Bookmark { return Bookmark{index: s.index, ok: s.InStep()} }

// InStep reports whether the subscription goes with the log and is no more than
// an index: it reads nothing from Kafka, and has no position or gaps of its own.
func (s *Subscription) InStep() bool { return s.mode == modeInStep && s.pending == nil }

// Rewind takes back what Next has given out since a bookmark, in a format,
// behind the first so many bytes and the event that they end in: it is given
// out again. It returns how many of those bytes stay given out, which is more
// than were said, and what is in them. It reports false, and does nothing, where
// that cannot be or there is nothing to take back.
func (s *Subscription) Rewind(b Bookmark, f event.Format, bytes int) (stay Given, ok bool) {
	if !b.ok || !s.InStep() {
		return Given{}, false
	}
	var behind *chunk // holds the event that the last of the bytes belong to
	var at int
	for index := b.index; index < s.index; index++ {
		c, i := s.log.find(index)
		if c == nil || i >= c.len() {
			return Given{}, false
		}
		kind := c.at(i).kind
		switch {
		case kind == entryAdvance || passes(&s.feed.filter, c, i) == filter.No:
			continue
		case behind != nil:
			// There is something behind it.
			s.index, s.at = behind.base+uint64(at), s.log.markIn(behind, at)
			return stay, true
		case s.labelled:
			stay.Bytes += len(s.feed.labelled(c, i, f))
		default:
			stay.Bytes += len(c.framed(f, i+1).slice(i, i+1))
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
