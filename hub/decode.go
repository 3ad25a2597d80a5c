package hub

import (
	"errors"

	"sluice/hub/record"
)

// ErrDecodedTooLarge means that a decoded value would be larger than an event may be. It is
// reported as a gap with the reason too_large.
var ErrDecodedTooLarge = errors.New("the decoded value is too large")

// Decoder decodes the values of records that are stored in another form than subscribers
// are shown. It is safe for concurrent use, never waits, and is comparable, as pointers are.
type Decoder interface {
	// Decode returns a value as it is shown. It is appended to dst, which is memory for it,
	// or is a part of the stored value, which is not changed. With an error the record is
	// reported as a gap with the reason unreadable, or too_large for ErrDecodedTooLarge.
	Decode(dst, stored []byte) (value, memory []byte, err error)
}

// maxKeptDecoded bounds the memory that is kept for the decoded value of the next record.
const maxKeptDecoded = 64 << 10

// decodeValue returns a decoded value, and the memory that is kept for the next, until which
// the value is valid.
func decodeValue(by Decoder, memory, stored []byte) (value, keep []byte, err error) {
	value, memory, err = by.Decode(memory[:0], stored)
	if value == nil {
		value = []byte{} // it is not a tombstone
	}
	if cap(memory) > maxKeptDecoded {
		memory = nil
	}
	return value, memory, err
}

// undecoded returns the reason of the gap for a value that could not be decoded.
func undecoded(err error) record.GapReason {
	if errors.Is(err, ErrDecodedTooLarge) {
		return record.GapTooLarge
	}
	return record.GapUnreadable
}
