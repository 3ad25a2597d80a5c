package kafkalog

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

var oldCodecs = map[string]protocol.Attributes{
	"none": 0, "gzip": protocol.Attributes(kafka.Gzip), "snappy": protocol.Attributes(kafka.Snappy), "lz4": protocol.Attributes(kafka.Lz4),
}

// messageSet returns three messages as kafka-go writes them.
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
		raw[7] = 2 // as brokers do: the offset of the last message in the set
	}
	return raw
}

// TestWalkOldMessages: message sets of format 0 and 1 become a gap that ends
// where they end, also for a reader that starts within them.
func TestWalkOldMessages(t *testing.T) {
	t.Parallel()
	for codec := range oldCodecs {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			raw := messageSet(t, 1, codec)
			if got, want := walked(raw, 0, 1<<20), "unreadable[0,3) then 3/-1"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			both := append(bytes.Clone(raw), newTestBatch(3, "new")...)
			if got, want := walked(both, 0, 1<<20), "unreadable[0,3) 3:new then 4/4"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got, want := walked(both, 2, 1<<20), "unreadable[2,3) 3:new then 4/4"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got, want := walked(both, 3, 1<<20), "3:new then 4/4"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			between := slices.Concat(newTestBatch(0, "first"), moved(raw, 1), newTestBatch(4, "last"))
			if got, want := walked(between, 0, 1<<20), "0:first unreadable[1,4) 4:last then 5/4"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// moved returns a message set whose offsets are that much higher.
func moved(set []byte, by byte) []byte {
	set = bytes.Clone(set)
	for rest := set; len(rest) > 0; {
		size, _, _ := batchSize(rest)
		rest[7] += by
		rest = rest[size:]
	}
	return set
}
