package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sluice/bench/load/scenario"
)

// fleet is the client processes, which share all clients.
type fleet struct {
	children []*child
	// per is the maximum number of clients in a process.
	per int
}

// startFleet starts as many processes as the clients need.
func startFleet(ctx context.Context, clients, per int) (*fleet, error) {
	f := &fleet{per: per}
	for range (clients + per - 1) / per {
		c, err := startChild(ctx, roleClients)
		if err != nil {
			f.stop()
			return nil, err
		}
		f.children = append(f.children, c)
	}
	return f, nil
}

func (f *fleet) stop() {
	var all sync.WaitGroup
	for _, c := range f.children {
		all.Go(c.stop)
	}
	all.Wait()
}

// all sends a command to all processes at once.
func (f *fleet) all(ctx context.Context, cmd func(i int) command) ([]answer, error) {
	answers := make([]answer, len(f.children))
	errs := make([]error, len(f.children))
	var all sync.WaitGroup
	for i, c := range f.children {
		all.Go(func() { answers[i], errs[i] = c.ask(ctx, cmd(i)) })
	}
	all.Wait()
	return answers, errors.Join(errs...)
}

// open opens the next count clients, distributed evenly, or by filling one process
// after the other if they do not fit evenly.
func (f *fleet) open(ctx context.Context, job openJob, count int) (openReport, error) {
	jobs := make([]openJob, len(f.children))
	for i := range jobs {
		jobs[i] = job
		share := count / len(jobs)
		if i < count%len(jobs) {
			share++
		}
		jobs[i].First, jobs[i].Count = job.First, share
		job.First += share
	}
	answers, err := f.all(ctx, func(i int) command { return command{Do: "open", Open: &jobs[i]} })
	return sumOpened(answers), err
}

// storm disconnects all clients and has them come back.
func (f *fleet) storm(ctx context.Context) (openReport, error) {
	answers, err := f.all(ctx, func(int) command { return command{Do: "storm"} })
	return sumOpened(answers), err
}

// leave disconnects all clients.
func (f *fleet) leave(ctx context.Context) error {
	_, err := f.all(ctx, func(int) command { return command{Do: "leave"} })
	return err
}

// comeBack has the disconnected clients come back.
func (f *fleet) comeBack(ctx context.Context) (openReport, error) {
	answers, err := f.all(ctx, func(int) command { return command{Do: "return"} })
	return sumOpened(answers), err
}

func sumOpened(answers []answer) openReport {
	sum := openReport{Failed: map[string]int{}}
	for _, a := range answers {
		if a.Opened == nil {
			continue
		}
		sum.Made += a.Opened.Made
		sum.Subscribed += a.Opened.Subscribed
		sum.Seconds = max(sum.Seconds, a.Opened.Seconds)
		for reason, n := range a.Opened.Failed {
			sum.Failed[reason] += n
		}
	}
	return sum
}

// window sets the window that counts.
func (f *fleet) window(ctx context.Context, w window) error {
	_, err := f.all(ctx, func(int) command { return command{Do: "window", Window: w} })
	return err
}

// publish has the clients publish, each process its share.
func (f *fleet) publish(ctx context.Context, s scenario.Scenario, stream string, w window) error {
	_, err := f.all(ctx, func(i int) command {
		return command{Do: "publish", Window: w, Publish: &publishJob{
			Rate: s.Publish, Batch: s.Batch, Keys: s.Keys, Size: valueSize(s), Stream: stream, Every: len(f.children), First: i,
		}}
	})
	return err
}

// valueSize returns the size of a scenario's values.
func valueSize(s scenario.Scenario) int {
	if s.Reading {
		return readingSize
	}
	return s.RecordBytes
}

// report sums what all clients have received. The latency is included only if the
// histogram is requested.
func (f *fleet) report(ctx context.Context, histogram bool) (clientsReport, summary, error) {
	sum := clientsReport{tally: tally{Disconnects: map[string]int{}, Refusals: map[string]int{}}}
	answers, err := f.all(ctx, func(int) command { return command{Do: "report", Histogram: histogram} })
	if err != nil {
		return sum, summary{}, err
	}
	merged := newLatency()
	for _, a := range answers {
		got := a.Clients
		if got == nil {
			return sum, summary{}, fmt.Errorf("%w: no report", errChild)
		}
		sum.add(got.tally)
		sum.CPUSeconds += got.CPUSeconds
		sum.PublishesDue += got.PublishesDue
		if histogram {
			if err := merged.merge(got.Histogram); err != nil {
				return sum, summary{}, err
			}
		}
	}
	return sum, merged.summary(), nil
}

func (t *tally) add(other tally) {
	t.Subscribed += other.Subscribed
	t.Open += other.Open
	t.All += other.All
	t.Deliveries += other.Deliveries
	t.Duplicated += other.Duplicated
	t.Foreign += other.Foreign
	t.Published += other.Published
	t.Last = max(t.Last, other.Last)
	t.Back += other.Back
	t.BackLast = max(t.BackLast, other.BackLast)
	t.Bytes += other.Bytes
	t.Reads += other.Reads
	for reason, n := range other.Disconnects {
		t.Disconnects[reason] += n
	}
	for reason, n := range other.Refusals {
		t.Refusals[reason] += n
	}
}
