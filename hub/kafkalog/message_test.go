package kafkalog

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

var oldCodecs = map[string]protocol.Attributes{
	"none": 0, "gzip": protocol.Attributes(kafka.Gzip), "snappy": protocol.Attributes(kafka.Snappy), "lz4": protocol.Attributes(kafka.Lz4),
}

// messageSet is three messages as kafka-go writes them.
func messageSet(tb testing.TB, version int8, codec string) []byte {
	tb.Helper()
	set := protocol.RecordSet{Version: version, Attributes: oldCodecs[codec]}
	var records []protocol.Record
	for i := range 3 {
		records = append(records, protocol.Record{
			Offset: int64(i), Time: time.UnixMilli(int64(1000 + i)),
			Key: protocol.NewBytes([]byte("k")), Value: protocol.NewBytes(fmt.Appendf(nil, "v%d", i)),
		})
	}
	set.Records = protocol.NewRecordReader(records...)
	var out bytes.Buffer
	if _, err := set.WriteTo(&out); err != nil {
		tb.Fatal(err)
	}
	raw := out.Bytes()[4:]
	if codec != "none" {
		raw[7] = 2 // as brokers do: the offset of the last message within
	}
	return raw
}

func TestWalkOldMessages(t *testing.T) {
	t.Parallel()
	for codec := range oldCodecs {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			raw := messageSet(t, 1, codec)
			if got, want := walked(raw, 0, 1<<20), "0:v0 1:v1 2:v2 then 3/-1"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got, want := walked(raw, 1, 1<<20), "1:v1 2:v2 then 3/-1"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			both := append(bytes.Clone(raw), newTestBatch(3, "new")...)
			if got, want := walked(both, 0, 1<<20), "0:v0 1:v1 2:v2 3:new then 4/4"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			both[20] ^= 1
			if got, want := walked(both, 2, 1<<20), "unreadable[2,3) 3:new then 4/4"; codec != "none" && got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
