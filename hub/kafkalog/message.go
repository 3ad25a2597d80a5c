package kafkalog

import (
	"encoding/binary"
	"hash/crc32"

	"sluice/hub/record"
)

// Messages of versions 0 and 1 are what Kafka stored before 0.11; they can
// still stand in old topics. A message has its own offset, size, checksum and
// attributes, and a compressed one holds others in its value. They are read
// here, and not with kafka-go, so that what they inflate to is bounded.

// message is one of them. Its slices alias the answer.
type message struct {
	offset     int64
	magic      byte
	attributes byte
	time       int64
	key, value []byte
}

const (
	messageHeadV0 = 8 + 4 + 4 + 1 + 1
	messageHeadV1 = messageHeadV0 + 8
)

// parseMessage reads the message that data begins with.
func parseMessage(data []byte) (m message, rest []byte, err error) {
	size, magic, known := batchSize(data)
	if !known || size < messageHeadV0 || size > int64(len(data)) {
		return message{}, nil, errMalformed
	}
	raw := data[:size]
	m = message{offset: int64(binary.BigEndian.Uint64(raw)), magic: magic, attributes: raw[17], time: -1}
	body := raw[messageHeadV0:]
	switch {
	case magic > 1:
		return message{}, nil, errMagic
	case crc32.ChecksumIEEE(raw[16:]) != binary.BigEndian.Uint32(raw[12:]):
		return message{}, nil, errChecksum
	case magic == 1 && size < messageHeadV1:
		return message{}, nil, errMalformed
	case magic == 1:
		m.time = int64(binary.BigEndian.Uint64(body))
		body = body[8:]
	}
	s := scan{b: body}
	m.key = s.bytes(false, false)
	m.value = s.bytes(false, false)
	if s.bad || len(s.b) > 0 {
		return message{}, nil, errMalformed
	}
	return m, data[size:], nil
}

// openMessage decompresses the message raw, if it is, and looks through what
// is in it. last is the offset of the last message.
func openMessage(raw []byte, f *inflater, from int64) (b batch, last int64, visible int, err error) {
	outer, _, err := parseMessage(raw)
	if err != nil {
		return batch{}, 0, 0, err
	}
	b = batch{magic: outer.magic, epoch: -1, data: raw}
	codec := int(outer.attributes & attrCodec)
	if codec != codecNone {
		if b.data, err = f.inflate(codec, outer.value); err != nil {
			return batch{}, 0, 0, err
		}
	}
	if outer.attributes&attrLogAppendTime != 0 && outer.magic == 1 {
		b.time, b.fixed = outer.time, true
	}
	// The offset of a compressed message is that of the last one within.
	// Those within version 1 count from zero (KIP-31).
	first, final := int64(-1), int64(-1)
	for rest := b.data; len(rest) > 0; b.count++ {
		var m message
		if m, rest, err = parseMessage(rest); err != nil {
			return batch{}, 0, 0, err
		}
		if m.offset <= final || codec != codecNone && m.attributes&attrCodec != codecNone {
			return batch{}, 0, 0, errMalformed
		}
		if b.count == 0 {
			first = m.offset
		}
		final = m.offset
	}
	if codec != codecNone && outer.magic == 1 {
		b.base = outer.offset - final
	}
	if b.count == 0 || first+b.base < 0 || final+b.base >= maxOffset {
		return batch{}, 0, 0, errMalformed
	}
	for rest := b.data; len(rest) > 0; {
		var m message
		m, rest, _ = parseMessage(rest)
		if m.offset+b.base >= from {
			visible++
		}
	}
	return b, max(outer.offset, final+b.base), visible, nil
}

func (b *batch) eachMessage(from int64, r *record.Record, yield func(*record.Record) bool) bool {
	for rest := b.data; len(rest) > 0; {
		var m message
		var err error
		if m, rest, err = parseMessage(rest); err != nil {
			return true // openMessage has parsed it before
		}
		if m.offset+b.base < from {
			continue
		}
		r.Epoch, r.Offset, r.Timestamp = b.epoch, m.offset+b.base, m.time
		if b.fixed {
			r.Timestamp = b.time
		}
		r.Timestamp = max(r.Timestamp, -1)
		r.Key, r.Value, r.Headers = m.key, m.value, r.Headers[:0]
		if !yield(r) {
			return false
		}
	}
	return true
}
