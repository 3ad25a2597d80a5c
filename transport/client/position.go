package client

import (
	"maps"
	"slices"
	"strconv"
)

// maxCursor is how long a cursor with what was seen since may get, in bytes:
// the server's default for cursor_bytes.
const maxCursor = 4 << 10

// position is where a subscription is: the server's last cursor, and for each
// partition the offset behind what the caller has had.
type position struct {
	cursor string
	// next is for all partitions, so that no record is given twice, wherever
	// the server begins.
	next map[int32]int64
	// since are the partitions of next that have moved since the cursor.
	since map[int32]struct{}
}

// at takes a cursor of the server, behind everything that it sent before.
func (p *position) at(cursor string) {
	if cursor == "" {
		return
	}
	p.cursor = cursor
	clear(p.since)
}

// pass moves behind a record, and reports whether it had not been passed yet.
func (p *position) pass(partition int32, offset int64) bool {
	if offset < p.next[partition] {
		return false
	}
	p.move(partition, offset+1)
	return true
}

// skip moves over a gap, and reports whether any of it lies ahead.
func (p *position) skip(gap Gap) bool {
	switch gap.Reason {
	case ReasonLogChanged:
		// Offsets of the new log mean nothing to a cursor of the old one.
		delete(p.next, gap.Partition)
		delete(p.since, gap.Partition)
		return true
	case ReasonTruncated:
		// Offsets from there on are given out anew. They are not told to the
		// server: only its own next cursor says in which epoch they are.
		p.move(gap.Partition, gap.From)
		delete(p.since, gap.Partition)
		return true
	}
	if gap.To <= p.next[gap.Partition] {
		return false
	}
	p.move(gap.Partition, gap.To)
	return true
}

func (p *position) move(partition int32, next int64) {
	if p.next == nil {
		p.next, p.since = map[int32]int64{}, map[int32]struct{}{}
	}
	p.next[partition] = next
	p.since[partition] = struct{}{}
}

// text is the cursor to go on from, "" where there is none yet. Where what was
// seen since does not fit, it is left out: the server then repeats records,
// which pass tells apart.
func (p *position) text() string {
	if p.cursor == "" || len(p.since) == 0 {
		return p.cursor
	}
	b := append([]byte(p.cursor), '~')
	for i, partition := range slices.Sorted(maps.Keys(p.since)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(partition), 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, p.next[partition], 10)
	}
	if len(b) > maxCursor {
		return p.cursor
	}
	return string(b)
}
