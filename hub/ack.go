package hub

import (
	"fmt"
	"slices"
	"time"

	"sluice/hub/cursors"
	"sluice/hub/record"
)

// reportedBreaks adds to breaks those that a chunk of gaps reports.
func reportedBreaks(breaks cursors.Breaks, gaps *chunk) cursors.Breaks {
	changed := false
	var cut []int32
	for i := range gaps.len() {
		switch e := gaps.at(i); e.reason.Reason() {
		case record.GapLogChanged:
			changed = true
		case record.GapTruncated:
			cut = append(cut, e.partition)
		case record.GapRetention, record.GapUnreadable, record.GapTooLarge, record.GapPolicy:
		}
	}
	return breaks.And(changed, cut)
}

// Acked returns an ack of everything that Next has returned.
func (s *Subscription) Acked(now time.Time) cursors.Ack {
	at := s.Position()
	return cursors.Ack{Position: s.dated(at, at), At: now, Breaks: s.breaks}
}

// Ack returns an ack of what a client says that it has received. A position ahead of
// what Next has returned is ErrBadCursor. Partitions that the topic does not have
// are removed, because a client could invent any number of them: what is stored
// under a name would grow without bound, and with it the cost of each later ack to
// the store.
func (s *Subscription) Ack(at record.Position, made time.Time) (cursors.Ack, error) {
	sent, breaks := s.Position(), s.breaks
	switch {
	case sent.Topic == at.Topic && !sent.Covers(at):
		return cursors.Ack{}, fmt.Errorf("%w: it is ahead of the records that were sent", record.ErrBadCursor)
	case sent.Topic == at.Topic:
		at = s.dated(at, sent)
	case breaks.Topic > 0:
		breaks.Topic-- // of the previous topic: the ack is late
	}
	partitions := s.stream.topicNow().Partitions
	at = at.Only(func(place record.PartitionOffset) bool {
		_, added := sent.Find(place.Partition)
		return added || place.Partition < partitions
	})
	return cursors.Ack{Position: at, At: made, Breaks: breaks}, nil
}

// dated adds epochs to offsets without one, such as those that a client has advanced
// itself (~), so that a later truncation below them is noticed. The epoch is one at
// which the log is known to have had the offset: that of what has been sent after
// it, or of what the log has after that.
func (s *Subscription) dated(at, sent record.Position) record.Position {
	places := at.Offsets
	for i, place := range places {
		if place.Epoch >= 0 {
			continue
		}
		to, _ := sent.Find(place.Partition)
		if to.Epoch < 0 {
			to.Epoch = s.epochBehind(place.Partition)
		}
		if to.Epoch < 0 {
			continue
		}
		if &places[0] == &at.Offsets[0] {
			places = slices.Clone(places)
		}
		places[i].Epoch = to.Epoch
	}
	at.Offsets = places
	return at
}

// epochBehind returns the latest epoch of a partition in a log that has not been
// truncated since the subscription was at its current position, -1 when that is not
// known.
func (s *Subscription) epochBehind(partition int32) int32 {
	tip := s.log.tip.Load()
	if s.pending != nil {
		return -1
	}
	if c, _ := s.log.find(s.index); c == nil {
		return -1 // not in the log, which may be another one by now
	}
	at, ok := tip.at.Find(partition)
	if !ok {
		return -1
	}
	return at.Epoch
}
