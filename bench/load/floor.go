package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// floorPatience is how long to wait for the last records.
const floorPatience = 5 * time.Second

// floorJob configures what the floor reads.
type floorJob struct {
	Brokers []string `json:"brokers"`
	Topics  []string `json:"topics"`
}

// floorReport is what the floor measured.
type floorReport struct {
	Latency summary `json:"latency"`
	CPU     float64 `json:"cpu_seconds"`
}

// floor is a fetch loop and nothing else: it searches the raw batches for stamps.
// Its latency is the minimum for any server that reads the topics.
type floor struct {
	tail

	// Guarded by the tail's mu, which is held in take.
	window  window
	latency latency
	find    finder
}

// runFloor is the process of the floor.
func runFloor(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	f := &floor{latency: newLatency()}
	f.take = f.count
	err := answerCommands(in, out, func(cmd command) (answer, error) {
		switch cmd.Do {
		case "open":
			return answer{}, f.open(ctx, cmd.Floor.Brokers, cmd.Floor.Topics)
		case "window":
			f.begin(cmd.Window)
			return answer{}, nil
		case "report":
			return f.report(ctx, cmd.Records)
		}
		return answer{}, fmt.Errorf("unknown command %q", cmd.Do)
	})
	cancel()
	f.close()
	return err
}

// count counts the records of whole batches.
func (f *floor) count(parts []part, now int64) error {
	for _, p := range parts {
		for records := range batches(p.batches) {
			for {
				s, end := f.find.find(records)
				if end == 0 {
					break
				}
				if f.window.holds(s.at) {
					f.latency.record(now - s.at)
				}
				records = records[end:]
			}
		}
	}
	return nil
}

func (f *floor) begin(w window) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window = w
	f.latency.hist.Reset()
}

// report returns what was measured once the floor has seen all stored records, or
// has waited for them long enough.
func (f *floor) report(ctx context.Context, records int64) (answer, error) {
	for late := time.Now().Add(floorPatience); ; {
		f.mu.Lock()
		seen, fault := f.latency.summary(), f.fault
		f.mu.Unlock()
		if fault != nil || seen.Count >= records || ctx.Err() != nil || time.Now().After(late) {
			used, err := cpuTime(os.Getpid())
			return answer{Floor: &floorReport{Latency: seen, CPU: used.Seconds()}}, errors.Join(fault, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
