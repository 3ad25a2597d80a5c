package client

import (
	"maps"
	"slices"
	"strconv"
)

// maxCursor is the maximum length, in bytes, of a cursor with the offsets seen
// since: the server's default for cursor_bytes.
const maxCursor = 4 << 10

// position is the position of a subscription: the server's last cursor, and for
// each partition the offset after what the loop has received.
type position struct {
	cursor string
	// next holds all partitions, so that no record is delivered twice, wherever
	// the server begins.
	next map[int32]int64
	// since holds the partitions whose next has changed since the cursor.
	since map[int32]struct{}
}

// at records a cursor of the server, which is after everything that it sent
// before.
func (p *position) at(cursor string) {
	if cursor == "" {
		return
	}
	p.cursor = cursor
	clear(p.since)
}

// pass moves the position after a record, and reports whether the record is new.
func (p *position) pass(partition int32, offset int64) bool {
	if offset < p.next[partition] {
		return false
	}
	p.move(partition, offset+1)
	return true
}

// skip moves the position over a gap, and reports whether any of the gap is new.
func (p *position) skip(gap Gap) bool {
	switch gap.Reason {
	case ReasonLogChanged:
		// Offsets of the new log cannot be added to a cursor of the old one.
		delete(p.next, gap.Partition)
		delete(p.since, gap.Partition)
		return true
	case ReasonTruncated:
		// Offsets from there on are used again. They are not sent to the server:
		// only its own next cursor contains their epoch.
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

// text returns the cursor to continue from, "" if there is none yet. If the
// offsets seen since do not fit, they are left out: the server then repeats
// records, which pass filters out.
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
