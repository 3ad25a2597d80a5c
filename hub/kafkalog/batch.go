package kafkalog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"sluice/hub/record"
)

// Sizes of a batch header: up to and including the magic byte, which is at the
// same offset in the message sets of older formats, and of the whole header.
const (
	magicEnd    = 17
	batchHeader = 61
)

// maxOffset bounds offsets: clients get them as JSON numbers, which must be
// exact.
const maxOffset = int64(1) << 53

// Bits of a batch's attributes.
const (
	attrCodec         = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

var (
	errChecksum  = errors.New("the checksum does not match")
	errMalformed = errors.New("the batch is malformed")
	errMagic     = errors.New("unknown batch version")
	errOldFormat = errors.New("message formats 0 and 1 (before Kafka 0.11) are not supported: copy the records to a new topic")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is the payload of one record batch, decompressed and verified to be well
// formed.
type batch struct {
	epoch int32
	base  int64 // added to the records' offset deltas
	time  int64 // added to the records' timestamp deltas, or the timestamp of all records
	fixed bool  // time is the timestamp of all records
	count int
	data  []byte
}

// header is the header of a batch.
type header struct {
	base       int64
	epoch      int32
	crc        uint32
	attributes int16
	lastDelta  int32
	firstTime  int64
	maxTime    int64
	producer   int64
	count      int32
}

// last is the offset of the batch's last record, which compaction may have
// removed.
func (h *header) last() int64 { return h.base + int64(h.lastDelta) }

func (h *header) control() bool { return h.attributes&attrControl != 0 }

// batchSize returns the length of the batch at the front of data, and its magic.
// known is false if data is too short to contain them.
func batchSize(data []byte) (size int64, magic byte, known bool) {
	if len(data) < magicEnd {
		return 0, 0, false
	}
	return int64(int32(binary.BigEndian.Uint32(data[8:]))) + 12, data[16], true
}

// parseHeader reads the header of raw, which is one whole batch.
func parseHeader(raw []byte) (header, error) {
	if len(raw) < batchHeader {
		return header{}, errMalformed
	}
	return header{
		base:       int64(binary.BigEndian.Uint64(raw)),
		epoch:      int32(binary.BigEndian.Uint32(raw[12:])),
		crc:        binary.BigEndian.Uint32(raw[17:]),
		attributes: int16(binary.BigEndian.Uint16(raw[21:])),
		lastDelta:  int32(binary.BigEndian.Uint32(raw[23:])),
		firstTime:  int64(binary.BigEndian.Uint64(raw[27:])),
		maxTime:    int64(binary.BigEndian.Uint64(raw[35:])),
		producer:   int64(binary.BigEndian.Uint64(raw[43:])),
		count:      int32(binary.BigEndian.Uint32(raw[57:])),
	}, nil
}

// check verifies the batch as far as possible without reading its records.
func (h *header) check(raw []byte) error {
	switch {
	case crc32.Checksum(raw[21:], castagnoli) != h.crc:
		return errChecksum
	case h.lastDelta < 0, h.count < 0, h.base < 0, h.last() >= maxOffset:
		return errMalformed
	}
	return nil
}

// open decompresses the records of raw and verifies them. visible is the number
// of records at or above the offset from.
func (h *header) open(raw []byte, f *inflater, from int64) (b batch, visible int, err error) {
	data, err := f.inflate(int(h.attributes&attrCodec), raw[batchHeader:])
	if err != nil {
		return batch{}, 0, err
	}
	b = batch{
		epoch: h.epoch, base: h.base, time: h.firstTime,
		count: int(h.count), data: data,
	}
	if h.attributes&attrLogAppendTime != 0 {
		b.time, b.fixed = h.maxTime, true
	}
	visible, err = b.verify(from, h.last())
	return b, visible, err
}

// verify checks the records of a batch, so that each cannot meet a malformed
// record.
func (b *batch) verify(from, last int64) (visible int, err error) {
	rest := b.data
	before := b.base - 1
	for range b.count {
		var s scan
		size := varint(&rest)
		if size < 0 || size > int64(len(rest)) {
			return 0, errMalformed
		}
		s.b, rest = rest[:size], rest[size:]
		offset, ok := skimRecord(s.b)
		offset += b.base
		if !ok || offset <= before || offset > last {
			return 0, errMalformed
		}
		before = offset
		if offset >= from {
			visible++
		}
	}
	if len(rest) > 0 {
		return 0, errMalformed
	}
	return visible, nil
}

// skimRecord checks the form of a record and returns its offset delta.
func skimRecord(b []byte) (offset int64, ok bool) {
	if len(b) < 1 {
		return 0, false
	}
	b = b[1:] // attributes, unused
	varint(&b)
	offset = varint(&b)
	if _, ok := varbytes(&b); !ok {
		return 0, false
	}
	if _, ok := varbytes(&b); !ok {
		return 0, false
	}
	headers := varint(&b)
	if headers < 0 || headers > int64(len(b)) {
		return 0, false
	}
	for range headers {
		if name, ok := varbytes(&b); !ok || name == nil {
			return 0, false
		}
		if _, ok := varbytes(&b); !ok {
			return 0, false
		}
	}
	return offset, b != nil && len(b) == 0
}

// decodeRecord reads a record that skimRecord has verified.
func (b *batch) decodeRecord(raw []byte, r *record.Record) {
	raw = raw[1:]
	r.Timestamp = b.time
	if delta := varint(&raw); !b.fixed {
		r.Timestamp += delta
	}
	r.Timestamp = max(r.Timestamp, -1)
	r.Epoch = b.epoch
	r.Offset = b.base + varint(&raw)
	r.Key, _ = varbytes(&raw)
	r.Value, _ = varbytes(&raw)
	headers := varint(&raw)
	r.Headers = r.Headers[:0]
	for range headers {
		var h record.Header
		h.Name, _ = varbytes(&raw)
		h.Value, _ = varbytes(&raw)
		r.Headers = append(r.Headers, h)
	}
}

// each calls yield with the records from the given offset on; all are decoded
// into the same r. It returns false if yield does.
func (b *batch) each(from int64, r *record.Record, yield func(*record.Record) bool) bool {
	rest := b.data
	for range b.count {
		size := varint(&rest)
		b.decodeRecord(rest[:size], r)
		rest = rest[size:]
		if r.Offset >= from && !yield(r) {
			return false
		}
	}
	return true
}

// varint reads a zigzag varint from the front of b. If there is none, b becomes
// nil, so that all later reads fail, and the result is negative.
func varint(b *[]byte) int64 {
	s := *b
	if len(s) > 0 && s[0] < 0x80 { // almost always
		*b = s[1:]
		return int64(s[0]>>1) ^ -int64(s[0]&1)
	}
	if len(s) > 1 && s[1] < 0x80 { // lengths, mostly
		*b = s[2:]
		u := uint64(s[0]&0x7f) | uint64(s[1])<<7
		return int64(u>>1) ^ -int64(u&1)
	}
	u, n := binary.Uvarint(s)
	if n <= 0 {
		*b = nil
		return -1 << 62
	}
	*b = s[n:]
	return int64(u>>1) ^ -int64(u&1)
}

// varbytes reads bytes that are prefixed with a varint length; a length of -1 is
// null.
func varbytes(b *[]byte) ([]byte, bool) {
	n := varint(b)
	s := *b
	if n == -1 {
		return nil, s != nil
	}
	if n < 0 || n > int64(len(s)) {
		return nil, false
	}
	*b = s[n:]
	return s[:n:n], s != nil
}
