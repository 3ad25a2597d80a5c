package main

import (
	"bytes"
	"fmt"
	"strings"
)

// track distinguishes new records from those that a client has received.
type track struct {
	// Slots first, first+stride, … are expected.
	first, stride int32
	// next is the least number that the next record of each slot may have.
	next []int32
}

// newTrack returns the track of a client of one of several streams, over which the
// keys are distributed in turn; key is -1 if the client gets all keys of its stream.
func newTrack(stream, streams, keys, key int) *track {
	if key >= 0 {
		return &track{first: int32(key), stride: 1, next: make([]int32, 1)}
	}
	return &track{first: int32(stream), stride: int32(streams), next: make([]int32, keys/streams)}
}

// seen records a record, and reports whether it is new, that is neither received
// before nor before one that was received, and whether it is in one of the client's
// slots.
func (t *track) seen(s stamp) (fresh, ours bool) {
	i := s.slot - t.first
	if i < 0 || i%t.stride != 0 || int(i/t.stride) >= len(t.next) {
		return false, false
	}
	at := &t.next[i/t.stride]
	if s.n < int64(*at) {
		return false, true
	}
	*at = int32(s.n) + 1
	return true, true
}

// resume is the position from which a client of Sluice can resume.
type resume struct {
	cursor  []byte
	offsets []int64 // next offset of each partition, 0 if unknown
}

var (
	partitionName = []byte(`"partition":`)
	offsetName    = []byte(`"offset":`)
	cursorName    = []byte(`"cursor":"`)
)

// event records a record that was delivered.
func (r *resume) event(b []byte) {
	partition, ok1 := numberAfter(b, partitionName)
	offset, ok2 := numberAfter(b, offsetName)
	if !ok1 || !ok2 || partition > 1<<16 {
		return
	}
	for int64(len(r.offsets)) <= partition {
		r.offsets = append(r.offsets, 0)
	}
	r.offsets[partition] = max(r.offsets[partition], offset+1)
}

// message records the cursor of a message that has one.
func (r *resume) message(b []byte) {
	_, rest, ok := bytes.Cut(b, cursorName)
	if !ok {
		return
	}
	if end := bytes.IndexByte(rest, '"'); end > 0 {
		r.cursor = append(r.cursor[:0], rest[:end]...)
	}
}

// from returns the cursor with the offsets received since.
func (r *resume) from() string {
	if len(r.cursor) == 0 {
		return ""
	}
	var seen []string
	for partition, offset := range r.offsets {
		if offset > 0 {
			seen = append(seen, fmt.Sprintf("%d:%d", partition, offset))
		}
	}
	if len(seen) == 0 {
		return string(r.cursor)
	}
	return string(r.cursor) + "~" + strings.Join(seen, ",")
}

func numberAfter(b, name []byte) (int64, bool) {
	i := bytes.Index(b, name)
	if i < 0 {
		return 0, false
	}
	end := i + len(name)
	for end < len(b) && b[end] >= '0' && b[end] <= '9' {
		end++
	}
	n, ok := digits(b[i+len(name) : end])
	return n, ok && end > i+len(name)
}
