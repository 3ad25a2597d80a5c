package kafkalog

import (
	"encoding/binary"
	"errors"
)

var errShort = errors.New("the response is truncated")

// scan reads Kafka's primitive types from the front of b. After the first read
// past the end, bad is set and all reads return zero values.
type scan struct {
	b   []byte
	bad bool
}

func (s *scan) fail() {
	s.b, s.bad = nil, true
}

func (s *scan) int16() int16 {
	if len(s.b) < 2 {
		s.fail()
		return 0
	}
	v := int16(binary.BigEndian.Uint16(s.b))
	s.b = s.b[2:]
	return v
}

func (s *scan) int32() int32 {
	if len(s.b) < 4 {
		s.fail()
		return 0
	}
	v := int32(binary.BigEndian.Uint32(s.b))
	s.b = s.b[4:]
	return v
}

func (s *scan) int64() int64 {
	if len(s.b) < 8 {
		s.fail()
		return 0
	}
	v := int64(binary.BigEndian.Uint64(s.b))
	s.b = s.b[8:]
	return v
}

func (s *scan) uvarint() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.b = s.b[n:]
	return v
}

// take returns the next n bytes.
func (s *scan) take(n int) []byte {
	if n < 0 || n > len(s.b) {
		s.fail()
		return nil
	}
	v := s.b[:n:n]
	s.b = s.b[n:]
	return v
}

// length reads the length of an array, a string or bytes, -1 for null. The result
// is never more than the number of bytes left: every counted element takes at
// least a byte.
func (s *scan) length(compact, short bool) int {
	n := 0
	switch {
	case compact:
		u := s.uvarint()
		if u > uint64(len(s.b))+1 {
			s.fail()
			return 0
		}
		n = int(u) - 1
	case short:
		n = int(s.int16())
	default:
		n = int(s.int32())
	}
	if n > len(s.b) {
		s.fail()
		return 0
	}
	return max(n, -1)
}

// bytes reads bytes; null is returned as nil.
func (s *scan) bytes(compact, short bool) []byte {
	n := s.length(compact, short)
	if n < 0 {
		return nil
	}
	return s.take(n)
}

// tags skips tagged fields (KIP-482).
func (s *scan) tags() {
	s.eachTag(func(uint64, scan) {})
}

func (s *scan) eachTag(visit func(tag uint64, value scan)) {
	for n := s.uvarint(); n > 0 && !s.bad; n-- {
		tag := s.uvarint()
		size := s.uvarint()
		if size > uint64(len(s.b)) {
			s.fail()
			return
		}
		visit(tag, scan{b: s.take(int(size))})
	}
}
