package record

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrBadCursor means that a cursor is damaged, truncated or was never created by
// a server.
var ErrBadCursor = errors.New("bad cursor")

// Cursor is the position of a connection in each of its streams.
//
// Its text is "v1." and base64url without padding (RFC 4648, section 5) of: the
// time it was created, then for each stream its name, the topic's id, and for
// each partition the next offset and the epoch before it, all as varints, and at
// the end a CRC-32C. A lease follows the partitions as another one
// (leaseAsPlace). The checksum detects damage, not forgery: a cursor grants
// access to nothing that the client may not read anyway. Its time, too, comes
// from the client and bounds nothing; hub/tips.go describes what does.
type Cursor struct {
	At      time.Time
	Streams []StreamPosition
}

// StreamPosition is the position in one stream.
type StreamPosition struct {
	Stream   string
	Position Position
	// Lease is the fence of the named cursor under which the position was read, or from
	// which reading has come to it, 0 for none. It tells whether the position is from
	// before an operator has moved that cursor.
	Lease int64
	// Moved holds the offsets that a client has moved after the tilde, as they
	// were in the cursor before it.
	Moved []PartitionOffset
}

// A lease is written as an offset of a partition that no topic has, as cursors had none at
// first: versions from before pass over such a partition. They compare its offset with what
// they have sent, and look an epoch up that is missing: so its number and its epoch, which is
// none of the two, hold the lease, and its offset is zero.
const (
	firstLeasePartition = 1 << 30
	leaseEpochBits      = 31
	maxLease            = 1<<(30+leaseEpochBits) - 1
)

// leaseAsPlace returns the place that stands for a lease.
func leaseAsPlace(lease int64) PartitionOffset {
	return PartitionOffset{Partition: int32(firstLeasePartition + lease>>leaseEpochBits), Epoch: int32(lease & math.MaxInt32)}
}

// leaseOf returns the lease for which a place stands, 0 for a place in a partition.
func leaseOf(at PartitionOffset) int64 {
	if at.Partition < firstLeasePartition || at.Offset != 0 || at.Epoch < 0 {
		return 0
	}
	return int64(at.Partition-firstLeasePartition)<<leaseEpochBits | int64(at.Epoch)
}

// places returns what the text of a cursor has of a position.
func (s StreamPosition) places() []PartitionOffset {
	places, at := s.Position.Offsets, leaseAsPlace(s.Lease)
	if s.Lease <= 0 || s.Lease > maxLease || len(places) > 0 && places[len(places)-1].Partition >= at.Partition {
		return places // the last is of a partition that a client has invented
	}
	return append(slices.Clip(places), at)
}

// Before returns the offset that the cursor had before the client moved it.
func (s StreamPosition) Before(at PartitionOffset) PartitionOffset {
	for _, moved := range s.Moved {
		if moved.Partition == at.Partition {
			return moved
		}
	}
	return at
}

const (
	cursorVersion = "v1."
	// maxCursorPartitions bounds the allocation that a few bytes can cause.
	maxCursorPartitions = 100_000
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	cursorText = base64.RawURLEncoding.Strict()
)

// Stream returns the position in a stream, and what is known of it.
func (c Cursor) Stream(stream string) (StreamPosition, bool) {
	for _, s := range c.Streams {
		if s.Stream == stream {
			return s, true
		}
	}
	return StreamPosition{}, false
}

// Position returns the position in a stream.
func (c Cursor) Position(stream string) (Position, bool) {
	s, ok := c.Stream(stream)
	return s.Position, ok
}

// String returns the cursor's text.
func (c Cursor) String() string {
	raw := make([]byte, 0, 128)
	raw = binary.AppendUvarint(raw, uint64(max(0, c.At.UnixMilli())))
	raw = binary.AppendUvarint(raw, uint64(len(c.Streams)))
	for _, s := range c.Streams {
		raw = binary.AppendUvarint(raw, uint64(len(s.Stream)))
		raw = append(raw, s.Stream...)
		if s.Position.Topic.IsZero() {
			raw = append(raw, 0)
		} else {
			raw = append(raw, 1)
			raw = append(raw, s.Position.Topic[:]...)
		}
		places := s.places()
		raw = binary.AppendUvarint(raw, uint64(len(places)))
		partition, epoch := int32(-1), int32(0)
		for _, at := range places {
			raw = binary.AppendUvarint(raw, uint64(at.Partition-partition-1))
			raw = binary.AppendUvarint(raw, uint64(at.Offset))
			raw = binary.AppendVarint(raw, int64(at.Epoch)-int64(epoch))
			partition, epoch = at.Partition, at.Epoch
		}
	}
	raw = binary.BigEndian.AppendUint32(raw, crc32.Checksum(raw, castagnoli))
	text := make([]byte, 0, len(cursorVersion)+cursorText.EncodedLen(len(raw)))
	return string(cursorText.AppendEncode(append(text, cursorVersion...), raw))
}

// ParseCursor parses a cursor's text, and what the client has seen since, after a
// tilde: "cursor~2:118274,5:77" moves partition 2 up to offset 118274. In a
// cursor of several streams each partition names its stream:
// "cursor~orders/2:118274". All errors are ErrBadCursor.
func ParseCursor(text string) (Cursor, error) {
	text, seen, hasSeen := strings.Cut(text, "~")
	encoded, ok := strings.CutPrefix(text, cursorVersion)
	if !ok {
		return Cursor{}, fmt.Errorf("%w: it does not begin with %q", ErrBadCursor, cursorVersion)
	}
	raw, err := cursorText.DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return Cursor{}, fmt.Errorf("%w: it is not base64url", ErrBadCursor)
	}
	if len(raw) < crc32.Size {
		return Cursor{}, fmt.Errorf("%w: it is too short", ErrBadCursor)
	}
	raw, sum := raw[:len(raw)-crc32.Size], binary.BigEndian.Uint32(raw[len(raw)-crc32.Size:])
	if crc32.Checksum(raw, castagnoli) != sum {
		return Cursor{}, fmt.Errorf("%w: it is damaged", ErrBadCursor)
	}
	r := cursorReader{rest: raw}
	c := r.cursor()
	if r.bad || len(r.rest) > 0 {
		return Cursor{}, fmt.Errorf("%w: it is malformed", ErrBadCursor)
	}
	if hasSeen {
		if err := c.see(seen); err != nil {
			return Cursor{}, err
		}
	}
	return c, nil
}

// see moves the cursor up to what a client reports to have seen. If that moves an
// offset, the cursor no longer has an epoch for it, so a subscription that starts
// there is not notified of a log that was truncated and has grown beyond the
// offset again; named cursors are kept with an epoch (Ack, Vouch).
func (c *Cursor) see(seen string) error {
	for part := range strings.SplitSeq(seen, ",") {
		stream, place, named := strings.Cut(part, "/")
		var at *StreamPosition
		switch {
		case !named && len(c.Streams) == 1:
			place = part
			at = &c.Streams[0]
		case !named:
			return fmt.Errorf("%w: after the tilde, name the stream: orders/2:118274", ErrBadCursor)
		default:
			for i := range c.Streams {
				if c.Streams[i].Stream == stream {
					at = &c.Streams[i]
				}
			}
			if at == nil {
				return fmt.Errorf("%w: the stream after the tilde is not in the cursor", ErrBadCursor)
			}
		}
		number, offset, ok := strings.Cut(place, ":")
		p, err := parseDigits(number, math.MaxInt32)
		if !ok || err != nil {
			return fmt.Errorf("%w: after the tilde, write partition:offset", ErrBadCursor)
		}
		o, err := parseDigits(offset, MaxOffset+1)
		if err != nil {
			return fmt.Errorf("%w: after the tilde, write partition:offset", ErrBadCursor)
		}
		was, known := at.Position.Find(int32(p))
		if !known {
			was = PartitionOffset{Partition: int32(p), Epoch: -1}
		}
		if known && was.Offset >= o {
			continue
		}
		if at.Before(was) == was {
			at.Moved = append(at.Moved, was)
		}
		// The client cannot know the epoch of the record before it: the leader
		// may have changed since the cursor was created.
		at.Position.Set(PartitionOffset{Partition: int32(p), Offset: o, Epoch: -1})
	}
	return nil
}

// parseDigits parses a plain decimal number, without a sign.
func parseDigits(s string, most int64) (int64, error) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > most {
		return 0, strconv.ErrRange
	}
	return n, nil
}

// cursorReader decodes a cursor's bytes and remembers whether any were wrong.
type cursorReader struct {
	rest []byte
	bad  bool
}

func (r *cursorReader) cursor() Cursor {
	var c Cursor
	c.At = time.UnixMilli(int64(r.uvarint(math.MaxInt64 / 2)))
	streams := int(r.uvarint(1000))
	for range streams {
		if r.bad {
			return c
		}
		s := StreamPosition{Stream: string(r.bytes(int(r.uvarint(255))))}
		if _, twice := c.Position(s.Stream); twice || s.Stream == "" {
			r.bad = true
			return c
		}
		if r.uvarint(1) == 1 {
			copy(s.Position.Topic[:], r.bytes(len(TopicID{})))
		}
		s.Position.Offsets = r.places()
		if last := len(s.Position.Offsets) - 1; last >= 0 {
			if s.Lease = leaseOf(s.Position.Offsets[last]); s.Lease > 0 {
				s.Position.Offsets = s.Position.Offsets[:last:last]
			}
		}
		c.Streams = append(c.Streams, s)
	}
	return c
}

func (r *cursorReader) places() []PartitionOffset {
	n := int(r.uvarint(maxCursorPartitions))
	// Each offset takes at least three bytes.
	if n*3 > len(r.rest) {
		r.bad = true
	}
	if r.bad || n == 0 {
		return nil
	}
	places := make([]PartitionOffset, n)
	partition, epoch := int64(-1), int64(0)
	for i := range places {
		partition += 1 + int64(r.uvarint(math.MaxInt32))
		offset := r.uvarint(MaxOffset + 1)
		epoch += r.varint()
		if partition > math.MaxInt32 || epoch < -1 || epoch > math.MaxInt32 {
			r.bad = true
		}
		if r.bad {
			return nil
		}
		places[i] = PartitionOffset{Partition: int32(partition), Offset: int64(offset), Epoch: int32(epoch)}
	}
	return places
}

func (r *cursorReader) uvarint(most uint64) uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > most {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *cursorReader) varint() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *cursorReader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.bad = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}
