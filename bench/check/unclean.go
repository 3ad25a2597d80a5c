package check

import (
	"maps"
	"slices"
)

// TruncatedReason is the reason of a gap that reports a lost end of the log.
const TruncatedReason = "truncated"

// Uncleanly compares journals with the log of a topic whose leaders were elected
// uncleanly, so that Kafka itself lost the end of its log. Offsets must be dense,
// and journals without a filter. Each journal must hold all of the final log, from
// the position on that its first connection started at. Any other record in it was
// lost, and a gap must report that afterwards, unless the record was after the
// position that the next connection resumed from: the server does not know of those.
// A range that a gap reports as lost must not be in the final log completely.
// Between two gaps a connection must advance offset by offset, so that no record is
// skipped without a report, whether it was lost later or not.
//
// It also returns how many gaps reported a loss.
func Uncleanly(log *Log, journals []*Journal) (report *Report, told int) {
	report = newReport()
	for _, journal := range journals {
		if len(journal.Connections) == 0 {
			report.add(Lost, log.Len(), "%s never connected", journal.Subscriber)
			continue
		}
		report.Reconnects += len(journal.Connections) - 1
		for p := range log.Visible {
			told += newBranch(log, journal, int32(p)).judge(report)
		}
	}
	return report, told
}

// branch is the part of a journal for one partition.
type branch struct {
	log       *Log
	journal   *Journal
	partition int32

	seen []bool // of the log's records
	// held are the records received last at each offset, without those reported as
	// lost.
	held map[int64]uint64
	cuts []int64 // where correctly reported losses began
	told int
}

func newBranch(log *Log, journal *Journal, partition int32) *branch {
	return &branch{
		log: log, journal: journal, partition: partition,
		seen: make([]bool, len(log.Visible[partition])), held: make(map[int64]uint64),
	}
}

func (b *branch) judge(report *Report) (told int) {
	for n, c := range b.journal.Connections {
		b.connection(n, c, report)
	}
	untold, example := 0, int64(-1)
	for offset, sum := range b.held {
		if !b.has(offset, sum) {
			untold++
			if example < 0 || offset < example {
				example = offset
			}
		}
	}
	if untold > 0 {
		report.add(Untold, untold, "%s, partition %d: %d records, the first at offset %d", b.journal.Subscriber, b.partition, untold, example)
	}
	first, _ := b.log.find(b.partition, b.journal.Connections[0].Low[b.partition])
	if lost := count(b.seen[first:], false); lost > 0 {
		at := first + slices.Index(b.seen[first:], false)
		report.add(Lost, lost, "%s, partition %d: %d records, the first at offset %d",
			b.journal.Subscriber, b.partition, lost, b.log.Visible[b.partition][at].Offset)
	}
	return b.told
}

// has reports whether the final log holds a record.
func (b *branch) has(offset int64, sum uint64) bool {
	at, found := b.log.find(b.partition, offset)
	return found && b.log.Visible[b.partition][at].Sum == sum
}

// connection checks the records and gaps of one connection in order of arrival.
func (b *branch) connection(n int, c *Connection, report *Report) {
	p := b.partition
	low, high := c.Low[p], c.High[p] // the next offset
	maps.DeleteFunc(b.held, func(offset int64, _ uint64) bool { return offset >= low })
	began := false
	fault := func(fault Fault, count int, offset int64) {
		report.add(fault, count, "%s, connection %d (%s), partition %d: offset %d, and %d to %d was next; it resumed at %d",
			b.journal.Subscriber, n, c.Where, p, offset, low, high, c.Low[p])
	}
	gaps := slices.DeleteFunc(slices.Clone(c.Gaps), func(g Gap) bool { return g.Partition != p })
	for i := 0; i <= len(c.Got[p]); i++ {
		for len(gaps) > 0 && gaps[0].After <= i {
			gap := gaps[0]
			gaps = gaps[1:]
			if gap.From > high {
				fault(SilentGap, int(gap.From-high), gap.From)
			}
			// A client that resumes with a cursor from before a gap receives the gap
			// again.
			again := !began && gap.To <= c.Low[p] && slices.Contains(b.cuts, gap.From)
			if !b.tell(gap) && !again {
				report.add(Announced, 1, "%s, connection %d (%s): partition %d, %d to %d: %s",
					b.journal.Subscriber, n, c.Where, p, gap.From, gap.To, gap.Reason)
			}
			low, high, began = gap.From, gap.From, true
		}
		if i == len(c.Got[p]) {
			return
		}
		entry := c.Got[p][i]
		report.Delivered++
		switch {
		case entry.Offset < low && began:
			fault(OutOfOrder, 1, entry.Offset)
		case entry.Offset < low:
			fault(Duplicate, int(low-entry.Offset), entry.Offset)
		case entry.Offset > high && began:
			fault(SilentGap, int(entry.Offset-high), entry.Offset)
		case entry.Offset > high:
			fault(CursorAhead, int(entry.Offset-high), entry.Offset)
		}
		began, low, high = true, entry.Offset+1, entry.Offset+1
		b.receive(entry, report)
	}
}

// receive records a record. If another record was received at its offset before, its
// loss must have been reported.
func (b *branch) receive(entry Entry, report *Report) {
	if before, ok := b.held[entry.Offset]; ok && before != entry.Sum {
		report.add(Untold, 1, "%s, partition %d: another record at offset %d than before", b.journal.Subscriber, b.partition, entry.Offset)
	}
	b.held[entry.Offset] = entry.Sum
	if b.has(entry.Offset, entry.Sum) {
		at, _ := b.log.find(b.partition, entry.Offset)
		if b.seen[at] {
			report.Repeated++
		}
		b.seen[at] = true
	}
}

// tell processes a gap that reports a loss, and returns whether the report is
// plausible: the received records in the range must not all be in the final log.
func (b *branch) tell(gap Gap) bool {
	if gap.Reason != TruncatedReason || gap.To <= gap.From {
		return false
	}
	received, there := 0, 0
	for offset, sum := range b.held {
		if offset < gap.From {
			continue
		}
		received++
		if b.has(offset, sum) {
			there++
		}
		delete(b.held, offset)
	}
	b.told++
	if received > 0 && there == received {
		return false
	}
	b.cuts = append(b.cuts, gap.From)
	return true
}

func count(all []bool, what bool) (n int) {
	for _, one := range all {
		if one == what {
			n++
		}
	}
	return n
}
