package hub

// Bookmark is where a subscription was before it gave something out.
type Bookmark struct {
	index uint64
	ok    bool
}

// Bookmark is where the subscription is. Nothing can be given back to where it
// reads from Kafka, or has a position or gaps of its own.
func (s *Subscription) Bookmark() Bookmark { return Bookmark{index: s.index, ok: s.inStep()} }

// GiveBack takes back what Next has given out since a bookmark, in a format,
// behind the first so many bytes and the event that they end in: it is given
// out again. It returns how many of those bytes stay given out, which is more
// than were said, and what is in them. It reports false, and does nothing, where
// that cannot be or there is nothing to take back.
func (s *Subscription) GiveBack(b Bookmark, f Format, bytes int) (stay Given, ok bool) {
	if !b.ok || !s.inStep() {
		return Given{}, false
	}
	for index := b.index; index < s.index; index++ {
		c, i := s.log.find(index)
		if c == nil || i >= c.len() {
			return Given{}, false
		}
		kind := c.at(i).kind
		if kind == entryAdvance || !s.feed.filter.passes(c, i) {
			continue
		}
		if s.labelled && s.feed.Filtered() {
			stay.Bytes += len(s.feed.labelled(c, i, f))
		} else {
			stay.Bytes += len(c.framed(f, i+1).slice(i, i+1))
		}
		if kind == entryGap {
			stay.Gaps++
		} else {
			stay.Records++
		}
		if stay.Bytes > bytes {
			if index+1 == s.index {
				return Given{}, false
			}
			s.index, s.at = index+1, s.log.markIn(c, i+1)
			return stay, true
		}
	}
	return Given{}, false
}

// Given counts what Next has given out.
type Given struct{ Bytes, Records, Gaps int }

// inStep reports whether the subscription is no more than an index.
func (s *Subscription) inStep() bool {
	return s.joined && s.own == nil && s.late == nil && s.told == nil && s.untold == nil && s.conflation == nil && s.ended == ""
}
