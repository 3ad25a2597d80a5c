package audit_test

import (
	"log/slog"
	"testing"
	"time"

	"sluice/transport/audit"
)

// TestNothingIsPaidWithoutARecorder: a nil Recorder allocates nothing.
func TestNothingIsPaidWithoutARecorder(t *testing.T) { //nolint:paralleltest // counts allocations
	var r *audit.Recorder
	if n := testing.AllocsPerRun(100, func() {
		r.Record(nil)
		r.Refuse(audit.Refused{Code: "forbidden", Count: 1})
		r.Publish(audit.Published{Records: 1})
		_ = r.Stream()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

var client = audit.Client{
	Principal: "user:https%3A%2F%2Fid.example.com:u42", Issuer: "https://id.example.com", TokenID: "5f0c1a7e-2b7e-4f0e-8a75-0d6f3d1f9c11",
	Credential: "header/bearer", Address: "192.0.2.17", Session: "s_01234567890123456789012345",
}

func BenchmarkRecordOff(b *testing.B) {
	var r *audit.Recorder
	b.ReportAllocs()
	for b.Loop() {
		r.Refuse(audit.Refused{Client: client, Code: "forbidden", Count: 1})
	}
}

// BenchmarkRecord measures what the recording of an event costs the client's goroutine.
func BenchmarkRecord(b *testing.B) {
	for name, record := range map[string]func(r *audit.Recorder){
		"connected": func(r *audit.Recorder) {
			r.Record(audit.Connected{Client: client, Transport: "websocket", ExpiresAt: time.Unix(2_000_000_000, 0)})
		},
		"refused":   func(r *audit.Recorder) { r.Refuse(audit.Refused{Client: client, Code: "forbidden", Count: 1}) },
		"published": func(r *audit.Recorder) { r.Publish(audit.Published{Client: client, Stream: "orders", Records: 1}) },
	} {
		b.Run(name, func(b *testing.B) {
			c := config(&book{})
			c.Store, c.Log, c.Logger = silent{}, false, slog.New(slog.DiscardHandler)
			r, err := audit.New(c) // which nobody runs: the queue is full at once, or takes what fits
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				record(r)
			}
		})
	}
}
