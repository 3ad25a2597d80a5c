package hub_test

import (
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
)

// TestQuietFeedHoldsNoChunks: a shared feed keeps the latest of its events with its
// name in them, but none of the chunks that they came from. The test is not parallel
// because it measures the heap of the process.
func TestQuietFeedHoldsNoChunks(t *testing.T) {
	const size = 256 << 10
	topics := hubtest.New()
	topics.Create("orders.v1", 1)
	h := startHub(t, topics, func(s *hub.Stream) { s.LogBytes = 4 * size })
	pad := make([]byte, size)
	for i := range pad {
		pad[i] = 'x'
	}
	pad[0], pad[size-1] = '"', '"'
	write := func(key string, value []byte) {
		topics.Append("orders.v1", record.Record{Key: []byte(key), Value: value, Timestamp: time.Now().UnixMilli()})
	}
	quiet := []*reader{
		subscribe(t, h, hub.Request{Keys: []string{"quiet"}, Labelled: true}),
		subscribe(t, h, hub.Request{Keys: []string{"quiet"}, Labelled: true}),
	}
	all := subscribe(t, h, hub.Request{})
	defer all.Close()
	var b hub.Batch
	before := heap()
	for range 20 {
		write("quiet", []byte("1"))
		write("loud", pad)
		all.collect(t, 2)
		for _, r := range quiet {
			for b.Reset(); b.Records == 0; {
				<-r.bell
				r.Next(&b, frame{}, 1<<20)
			}
		}
	}
	for range 8 {
		write("loud", pad)
		all.collect(t, 1)
	}
	b.Reset()
	info, _ := h.Stream("", "orders")
	more := int(heap() - before)
	for _, r := range quiet {
		r.Close()
	}
	// The chunks of twenty events would take another five mebibytes.
	if more > info.LogBytes+12*size {
		t.Errorf("%d KiB are held, of which the log has %d KiB", more>>10, info.LogBytes>>10)
	}
}

// TestLateMemoryCountsLayouts: the layouts of cached blocks count as late memory,
// however little of a block is delivered at once.
func TestLateMemoryCountsLayouts(t *testing.T) {
	t.Parallel()
	_, h := lateTopic(t, 1, 3000, nil)
	r := subscribe(t, h, hub.Request{Start: hub.Start{Kind: hub.StartEarliest}})
	defer r.Close()
	var b hub.Batch
	bytes := 0
	for records := 0; records < 2500; records += b.Records {
		b.Reset()
		// Each block is delivered in one go.
		if !r.Next(&b, frame{}, 1<<20) && b.Records == 0 {
			<-r.bell
		}
		bytes += b.Bytes
	}
	// Each record is in memory as a body and laid out.
	if got := h.Late().Bytes; got < 2*bytes {
		t.Errorf("%d bytes were delivered from %d bytes in memory", bytes, got)
	}
}
