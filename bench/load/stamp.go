package main

import (
	"bytes"
	"strconv"

	"sluice/bench/load/scenario"
)

// A record's value begins with its stamp: when it was due, in Unix nanoseconds, its
// slot, and its number within the slot. All have a fixed width, so that a reader
// finds them without parsing JSON. Order is kept within a slot, which has one key
// and so one partition.
//
//	{"at":1795245600123456789,"s":1000042,"n":1000000007,"pad":"…"}
type stamp struct {
	at   int64
	slot int32
	n    int64
}

// These are added to slots and numbers when written, to give them a fixed width.
const (
	slotBase   = 1_000_000
	numberBase = 1_000_000_000
)

// stampName is the beginning of a stamp, and stampSize its length from there.
var (
	stampName   = []byte(`"at":`)
	slotName    = []byte(`,"s":`)
	numberName  = []byte(`,"n":`)
	slotStart   = len(stampName) + 19
	numberStart = slotStart + len(slotName) + 7
	stampSize   = numberStart + len(numberName) + 10
)

// appendRecord appends a JSON value of the given size, in bytes. If the size is too
// small the value is longer.
func appendRecord(dst []byte, s stamp, size int) []byte {
	start := len(dst)
	dst = append(appendStamp(dst, s), `,"pad":"`...)
	for len(dst)-start < size-2 {
		dst = append(dst, 'x')
	}
	return append(dst, '"', '}')
}

// readingSize is a size of values that makes them the readings of scenarios.
const readingSize = -1

// appendValue appends a JSON value of the given size, or a reading.
func appendValue(dst []byte, s stamp, size int) []byte {
	if size == readingSize {
		return scenario.AppendReading(appendStamp(dst, s))
	}
	return appendRecord(dst, s, size)
}

// appendStamp appends the beginning of a value.
func appendStamp(dst []byte, s stamp) []byte {
	dst = append(dst, '{')
	dst = append(dst, stampName...)
	dst = strconv.AppendInt(dst, s.at, 10)
	dst = append(dst, slotName...)
	dst = strconv.AppendInt(dst, slotBase+int64(s.slot), 10)
	dst = append(dst, numberName...)
	return strconv.AppendInt(dst, numberBase+s.n, 10)
}

// finder finds stamps. Records of one stream have them at nearly the same index, so
// it first looks where the last one was.
type finder struct{ last int }

// find returns the first stamp in b and the index of its end, 0 if there is none.
func (f *finder) find(b []byte) (s stamp, end int) {
	i := f.last
	if i > len(b) || !bytes.HasPrefix(b[i:], stampName) {
		i = bytes.Index(b, stampName)
		if i < 0 {
			return s, 0
		}
		f.last = i
	}
	b = b[i:]
	if len(b) < stampSize ||
		!bytes.Equal(b[slotStart:slotStart+len(slotName)], slotName) ||
		!bytes.Equal(b[numberStart:numberStart+len(numberName)], numberName) {
		return s, 0
	}
	at, ok1 := digits(b[len(stampName):slotStart])
	slot, ok2 := digits(b[slotStart+len(slotName) : numberStart])
	n, ok3 := digits(b[numberStart+len(numberName) : stampSize])
	if !ok1 || !ok2 || !ok3 || slot < slotBase || n < numberBase {
		return s, 0
	}
	return stamp{at: at, slot: int32(slot - slotBase), n: n - numberBase}, i + stampSize
}

func digits(b []byte) (int64, bool) {
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
