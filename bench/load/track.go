package main

import (
	"bytes"
	"fmt"
	"strings"
)

// track tells records that a client has had from those that it has not.
type track struct {
	// Slots first, first+stride, … are expected.
	first, stride int32
	// next is the number that the next record of each slot has at least.
	next []int32
}

// newTrack is for a client of one of so many streams, whose keys are shared out
// in turn; key is -1 where it gets all of them.
func newTrack(stream, streams, keys, key int) *track {
	if key >= 0 {
		return &track{first: int32(key), stride: 1, next: make([]int32, 1)}
	}
	return &track{first: int32(stream), stride: int32(streams), next: make([]int32, keys/streams)}
}

// seen notes a record, and reports whether it was due: not one that the client
// has had, or is behind one that it has had, and one of its slots.
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

// resume is where a client of Sluice can read on.
type resume struct {
	cursor  []byte
	offsets []int64 // next offset of each partition, 0 where none is known
}

var (
	partitionName = []byte(`"partition":`)
	offsetName    = []byte(`"offset":`)
	cursorName    = []byte(`"cursor":"`)
)

// event notes a record that was delivered.
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

// message notes a cursor in a message that has one.
func (r *resume) message(b []byte) {
	_, rest, ok := bytes.Cut(b, cursorName)
	if !ok {
		return
	}
	if end := bytes.IndexByte(rest, '"'); end > 0 {
		r.cursor = append(r.cursor[:0], rest[:end]...)
	}
}

// from is the cursor with what has been seen since.
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
