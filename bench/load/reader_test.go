package main

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"sluice/bench/load/scenario"
)

// BenchmarkDelivery measures the client's cost of a delivery without the system call
// that reads it: framing, finding the time, recording the latency.
func BenchmarkDelivery(b *testing.B) {
	const events = 50
	now := time.Now().UnixNano()
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			var stream []byte
			for i := range events {
				event := fmt.Appendf(nil, `{"type":"event","stream":"load","partition":3,"offset":%d,"ts":1795245600123,"key":"k%d","data":%s}`,
					i, i, appendRecord(nil, stamp{at: now - int64(i)*1000, n: int64(i)}, 200))
				if kind == scenario.SSE {
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
			c := &conn{wish: wish{kind: kind}, track: newTrack(0, 1, 1, -1)}
			b.SetBytes(int64(len(stream) / events))
			b.ReportAllocs()
			for b.Loop() {
				c.track.next[0] = 0
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
	var stream []byte
	for n := range int64(3) {
		event := append([]byte(`{"type":"event","data":`), appendRecord(nil, stamp{at: 1795245600123456789, n: n}, 80)...)
		stream = append(stream, 0x81, byte(len(event)+1))
		stream = append(append(stream, event...), '}')
	}
	for cut := range stream {
		c := &conn{wish: wish{kind: scenario.WebSocket}, track: newTrack(0, 1, 1, -1)}
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

func TestNATSMessagesGoOverFrames(t *testing.T) {
	t.Parallel()
	r, err := newReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	r.dialect = dialectNATS
	r.begin(window{To: math.MaxInt64})
	stream := []byte("INFO {}\r\nPONG\r\n")
	for n := range int64(3) {
		value := appendRecord(nil, stamp{at: 1795245600123456789, n: n}, 80)
		stream = fmt.Appendf(stream, "MSG load.k 1 %d\r\n%s\r\n", len(value), value)
	}
	for cut := range stream {
		c := &conn{wish: wish{kind: scenario.WebSocket}, track: newTrack(0, 1, 1, -1)}
		for _, part := range [][]byte{stream[:cut], stream[cut:]} {
			r.payload(c, part, 0)
		}
		if !c.subscribed || len(c.inner) > 0 || c.closed {
			t.Errorf("cut at %d: subscribed %v, %d bytes left, closed %v", cut, c.subscribed, len(c.inner), c.closed)
		}
	}
	if want := int64(3 * len(stream)); r.tally.Deliveries != want {
		t.Errorf("%d deliveries, want %d", r.tally.Deliveries, want)
	}
}
