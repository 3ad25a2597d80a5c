package check

import "time"

// Subscribers compares journals with the log. Every journal must hold the whole log
// from the position on that its first connection started at.
func Subscribers(log *Log, journals []*Journal) *Report {
	report := newReport()
	for _, journal := range journals {
		rights(journal, report)
		if !journal.Forbidden {
			subscriber(log, journal, report)
		}
	}
	return report
}

// rights reports deliveries without a right.
func rights(journal *Journal, report *Report) {
	if n := len(journal.Connections); journal.Forbidden && n > 0 {
		report.add(WithoutRight, n, "%s: let in %d times, and given %d records", journal.Subscriber, n, journal.Received())
	}
	for n, c := range journal.Connections {
		if c.Late > 0 {
			report.add(WithoutRight, c.Late, "%s, connection %d (%s): %d records after %v", journal.Subscriber, n, c.Where, c.Late, c.RightEnds)
		}
	}
}

func subscriber(log *Log, journal *Journal, report *Report) {
	if len(journal.Connections) == 0 {
		report.add(Lost, log.Len(), "%s never connected", journal.Subscriber)
		return
	}
	report.Reconnects += len(journal.Connections) - 1
	for p := range log.Visible {
		partition := int32(p)
		seen := make([]bool, len(log.Visible[p]))
		for n, c := range journal.Connections {
			delivery{log, journal.Subscriber, n, partition}.judge(c, seen, report)
		}
		first, _ := log.find(partition, journal.Connections[0].Low[p])
		lost, example := 0, int64(-1)
		for i := first; i < len(seen); i++ {
			if !seen[i] {
				lost++
				if example < 0 {
					example = log.Visible[p][i].Offset
				}
			}
		}
		if lost > 0 {
			report.add(Lost, lost, "%s, partition %d: %d records, the first at offset %d", journal.Subscriber, partition, lost, example)
		}
	}
	for n, c := range journal.Connections {
		for _, gap := range c.Gaps {
			report.add(Announced, 1, "%s, connection %d (%s): partition %d, %d to %d: %s",
				journal.Subscriber, n, c.Where, gap.Partition, gap.From, gap.To, gap.Reason)
		}
	}
}

// delivery is the part of one connection for one partition.
type delivery struct {
	log        *Log
	subscriber string
	connection int
	partition  int32
}

// judge checks the records of a connection in order of arrival, compares each with
// the log record before it, and marks records as seen.
func (d delivery) judge(c *Connection, seen []bool, report *Report) {
	p := d.partition
	low, _ := d.log.find(p, c.Low[p])
	high, _ := d.log.find(p, c.High[p])
	last, began := 0, false
	for _, entry := range c.Got[p] {
		report.Delivered++
		at, found := d.log.find(p, entry.Offset)
		switch {
		case !found && d.log.Aborted[p][entry.Offset]:
			d.fault(report, AbortedDelivered, 1, c, entry.Offset)
			continue
		case !found:
			d.fault(report, Foreign, 1, c, entry.Offset)
			continue
		case d.log.Visible[p][at].Sum != entry.Sum:
			d.fault(report, Foreign, 1, c, entry.Offset)
		}
		switch {
		case !began && at < low:
			d.fault(report, Duplicate, low-at, c, entry.Offset)
		case !began && at > high:
			d.fault(report, CursorAhead, at-high, c, entry.Offset)
		case began && at <= last:
			d.fault(report, OutOfOrder, 1, c, entry.Offset)
		case began && at > last+1:
			d.fault(report, SilentGap, at-last-1, c, entry.Offset)
		}
		began, last = true, at
		if seen[at] {
			report.Repeated++
		}
		seen[at] = true
	}
}

func (d delivery) fault(report *Report, fault Fault, n int, c *Connection, offset int64) {
	report.add(fault, n, "%s, connection %d (%s, at %s), partition %d: offset %d; it resumed between %d and %d: %s",
		d.subscriber, d.connection, c.Where, c.Began.Format(time.TimeOnly), d.partition, offset, c.Low[d.partition], c.High[d.partition], c.From)
}
