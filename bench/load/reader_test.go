package main

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"
)

// BenchmarkDelivery is what a delivery costs the client beside the system call
// that brought it: framing, finding the time, recording the latency.
func BenchmarkDelivery(b *testing.B) {
	const events = 50
	now := time.Now().UnixNano()
	for _, kind := range []string{kindWebSocket, kindSSE} {
		b.Run(kind, func(b *testing.B) {
			var stream []byte
			for i := range events {
				event := fmt.Appendf(nil, `{"type":"event","stream":"load","partition":3,"offset":%d,"ts":1795245600123,"key":"k%d","data":%s}`,
					i, i, appendRecord(nil, now-int64(i)*1000, int64(i), 200))
				if kind == kindSSE {
					stream = fmt.Appendf(stream, "data: %s\nid: v1.AAAA\n\n", event)
					continue
				}
				stream = append(stream, 0x81, 126, byte(len(event)>>8), byte(len(event)))
				stream = append(stream, event...)
			}
			r, err := newReader()
			if err != nil {
				b.Fatal(err)
			}
			defer r.close()
			r.begin(window{To: math.MaxInt64})
			c := &conn{kind: kind}
			b.SetBytes(int64(len(stream) / events))
			b.ReportAllocs()
			for b.Loop() {
				r.take(c, stream, now)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/delivery")
			if r.tally.Deliveries != int64(b.N)*events || r.latency.hist.TotalCount() != r.tally.Deliveries {
				b.Errorf("%d deliveries of %d", r.tally.Deliveries, b.N*events)
			}
		})
	}
}

func TestFramesThatAreCutAreKept(t *testing.T) {
	t.Parallel()
	r, err := newReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	r.begin(window{From: 5, To: 1795245600123456790})
	event := append([]byte(`{"type":"event","data":`), appendRecord(nil, 1795245600123456789, 1, 80)...)
	stream := append([]byte{0x81, byte(len(event) + 1)}, append(event, '}')...)
	stream = bytes.Repeat(stream, 3)
	for cut := range stream {
		c := &conn{kind: kindWebSocket}
		r.take(c, stream[:cut], 0)
		r.take(c, append(bytes.Clone(c.rest), stream[cut:]...), 0)
		if len(c.rest) > 0 || c.closed {
			t.Errorf("cut at %d: %d bytes left, closed: %v", cut, len(c.rest), c.closed)
		}
	}
	if want := int64(3 * len(stream)); r.tally.Deliveries != want || r.tally.All != want {
		t.Errorf("%d deliveries within the window, %d in all, want %d", r.tally.Deliveries, r.tally.All, want)
	}
}
