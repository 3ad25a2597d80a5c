package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// floorPatience is how long the last records may take.
const floorPatience = 5 * time.Second

// floorJob says what the floor reads.
type floorJob struct {
	Brokers []string `json:"brokers"`
	Topics  []string `json:"topics"`
}

// floorReport says what it measured.
type floorReport struct {
	Latency summary `json:"latency"`
	CPU     float64 `json:"cpu_seconds"`
}

// floor is a fetch loop and nothing else: the batches are searched for stamps as
// they are. Its latency is what any server in front of the topics has to add to.
type floor struct {
	tail

	// Guarded by the tail's mu, as it is held in take.
	window  window
	latency latency
	find    finder
}

// runFloor is the floor's process.
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

// report gives what it has measured once it has seen so many records, which are
// stored, or has waited for them long enough.
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
