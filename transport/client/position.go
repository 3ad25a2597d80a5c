package client

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxCursor is the maximum length, in bytes, of a cursor with the offsets seen
// since: the server's default for cursor_bytes.
const maxCursor = 4 << 10

// position is the position of a subscription: the server's last cursor, and for
// each partition the offset after what the loop has received.
type position struct {
	// several is set for a subscription by pattern, in whose cursors partitions name
	// their streams.
	several bool
	cursor  string
	// next holds all partitions, so that no record is delivered twice, wherever
	// the server begins.
	next map[place]int64
	// since holds the partitions whose next has changed since the cursor.
	since map[place]struct{}
}

func newPosition(stream string) position { return position{several: strings.Contains(stream, "*")} }

// place is a partition of a stream. The stream is empty if there is only one.
type place struct {
	stream    string
	partition int32
}

func (p *position) place(stream string, partition int32) place {
	if !p.several {
		stream = ""
	}
	return place{stream, partition}
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
func (p *position) pass(stream string, partition int32, offset int64) bool {
	at := p.place(stream, partition)
	if offset < p.next[at] {
		return false
	}
	p.move(at, offset+1)
	return true
}

// skip moves the position over a gap, and reports whether any of the gap is new.
func (p *position) skip(gap Gap) bool {
	at := p.place(gap.Stream, gap.Partition)
	switch gap.Reason {
	case ReasonLogChanged:
		// Offsets of the new log cannot be added to a cursor of the old one.
		delete(p.next, at)
		delete(p.since, at)
		return true
	case ReasonTruncated:
		// Offsets from there on are used again. They are not sent to the server:
		// only its own next cursor contains their epoch.
		p.move(at, gap.From)
		delete(p.since, at)
		return true
	}
	if gap.To <= p.next[at] {
		return false
	}
	p.move(at, gap.To)
	return true
}

// leave forgets streams that have left a pattern. One that comes back goes on where it
// was, or, if it is another one, has other offsets.
func (p *position) leave(streams []string) {
	gone := func(at place) bool { return slices.Contains(streams, at.stream) }
	maps.DeleteFunc(p.next, func(at place, _ int64) bool { return gone(at) })
	maps.DeleteFunc(p.since, func(at place, _ struct{}) bool { return gone(at) })
}

func (p *position) move(at place, next int64) {
	if p.next == nil {
		p.next, p.since = map[place]int64{}, map[place]struct{}{}
	}
	p.next[at] = next
	p.since[at] = struct{}{}
}

// text returns the cursor to continue from, "" if there is none yet. If the
// offsets seen since do not fit, they are left out: the server then repeats
// records, which pass filters out.
func (p *position) text() string {
	if p.cursor == "" || len(p.since) == 0 {
		return p.cursor
	}
	b := append([]byte(p.cursor), '~')
	places := slices.SortedFunc(maps.Keys(p.since), func(a, b place) int {
		return cmp.Or(strings.Compare(a.stream, b.stream), cmp.Compare(a.partition, b.partition))
	})
	for i, at := range places {
		if i > 0 {
			b = append(b, ',')
		}
		if p.several {
			b = append(append(b, at.stream...), '/')
		}
		b = strconv.AppendInt(b, int64(at.partition), 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, p.next[at], 10)
	}
	if len(b) > maxCursor {
		return p.cursor
	}
	return string(b)
}
