package producer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Offsets of fields in a v2 record batch.
const (
	atCRC        = 17
	atAttributes = 21
	atProducerID = 43
	atEpoch      = 51
	atSequence   = 53
	// sizePrefix is the size of the length in front of a record set in a request.
	sizePrefix = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode returns the record set of a produce request: its size and one v2 batch
// that carries the producer identity and the sequence of its first record.
func encode(messages []*message, codec kafka.Compression, as identity, sequence int32) ([]byte, error) {
	records := make([]protocol.Record, len(messages))
	size := 128
	for i, m := range messages {
		size += m.size
		records[i] = protocol.Record{
			Time:    time.UnixMilli(m.timestamp()),
			Key:     protocol.NewBytes(m.Key),
			Value:   protocol.NewBytes(m.Value),
			Headers: headersOf(m),
		}
	}
	set := protocol.RecordSet{
		Version:    2,
		Attributes: protocol.Attributes(codec),
		Records:    protocol.NewRecordReader(records...),
	}
	out := bytes.NewBuffer(make([]byte, 0, size))
	if _, err := set.WriteTo(out); err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	encoded := out.Bytes()
	batch := encoded[sizePrefix:]
	binary.BigEndian.PutUint64(batch[atProducerID:], uint64(as.id))
	binary.BigEndian.PutUint16(batch[atEpoch:], uint16(as.epoch))
	binary.BigEndian.PutUint32(batch[atSequence:], uint32(sequence))
	binary.BigEndian.PutUint32(batch[atCRC:], crc32.Checksum(batch[atAttributes:], castagnoli))
	return encoded, nil
}

func headersOf(m *message) []protocol.Header {
	if len(m.Headers) == 0 {
		return nil
	}
	headers := make([]protocol.Header, len(m.Headers))
	for i, h := range m.Headers {
		headers[i] = protocol.Header{Key: string(h.Name), Value: h.Value}
	}
	return headers
}
