package main

import (
	"bytes"
	"errors"
	"strconv"
)

// stampName precedes the time at which a record was due, in Unix nanoseconds.
var stampName = []byte(`"at":`)

// stampDigits is how many digits such a time has, from 2001 to 2286.
const stampDigits = 19

// appendRecord makes a JSON value of the given size, in bytes, that carries
// its due time and its number. A size that is too small is exceeded.
func appendRecord(dst []byte, at int64, number int64, size int) []byte {
	start := len(dst)
	dst = append(dst, '{')
	dst = append(dst, stampName...)
	dst = strconv.AppendInt(dst, at, 10)
	dst = append(dst, `,"n":`...)
	dst = strconv.AppendInt(dst, number, 10)
	dst = append(dst, `,"pad":"`...)
	for len(dst)-start < size-2 {
		dst = append(dst, 'x')
	}
	return append(dst, '"', '}')
}

// finder finds the time in a record. Records of one stream have it at nearly
// the same place, so it looks first where the last one had it.
type finder struct{ last int }

// find returns the time in b, and whether there is one.
func (f *finder) find(b []byte) (int64, bool) {
	i := f.last
	if i > len(b) || !bytes.HasPrefix(b[i:], stampName) {
		i = bytes.Index(b, stampName)
		if i < 0 {
			return 0, false
		}
		f.last = i
	}
	at, err := parseStamp(b[i+len(stampName):])
	return at, err == nil
}

var errNoStamp = errors.New("no time in nanoseconds")

func parseStamp(b []byte) (int64, error) {
	if len(b) < stampDigits {
		return 0, errNoStamp
	}
	var at int64
	for _, c := range b[:stampDigits] {
		if c < '0' || c > '9' {
			return 0, errNoStamp
		}
		at = at*10 + int64(c-'0')
	}
	return at, nil
}
