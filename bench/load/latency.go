package main

import (
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// maxLatency is the maximum of a histogram; longer latencies count as this.
const maxLatency = 2 * time.Minute

// latency is a histogram of microseconds with three significant digits.
type latency struct{ hist *hdr.Histogram }

func newLatency() latency {
	return latency{hist: hdr.New(1, maxLatency.Microseconds(), 3)}
}

// record adds a latency in nanoseconds.
func (l latency) record(nanos int64) {
	micros := min(max(nanos/1000, 1), maxLatency.Microseconds())
	// The only error is a value out of range, which is impossible after the
	// clamping.
	_ = l.hist.RecordValue(micros)
}

// encode encodes the histogram for another process.
func (l latency) encode() ([]byte, error) {
	compressed, err := l.hist.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode histogram: %w", err)
	}
	return compressed, nil
}

// merge adds a histogram from encode.
func (l latency) merge(compressed []byte) error {
	other, err := hdr.Decode(compressed)
	if err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	l.hist.Merge(other)
	return nil
}

// summary is the summary of a histogram in a report, in milliseconds.
type summary struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

func (l latency) summary() summary {
	ms := func(micros int64) float64 { return float64(micros) / 1000 }
	return summary{
		Count: l.hist.TotalCount(),
		Mean:  l.hist.Mean() / 1000,
		P50:   ms(l.hist.ValueAtQuantile(50)),
		P90:   ms(l.hist.ValueAtQuantile(90)),
		P99:   ms(l.hist.ValueAtQuantile(99)),
		P999:  ms(l.hist.ValueAtQuantile(99.9)),
		Max:   ms(l.hist.Max()),
	}
}
