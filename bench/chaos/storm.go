package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sluice/bench/stack"
)

// storm injects faults, verifies the effect of each, and repairs it.
type storm struct {
	stage   *stage
	crowd   *crowd
	writers *writers
	unclean *unclean
	began   time.Time
	say     func(format string, args ...any)

	// forgotten is incremented twice for each loss of Redis' data: before it and
	// after it.
	forgotten atomic.Uint64

	mu sync.Mutex
	// struck counts the faults by lane and kind.
	struck map[string]int
	// missed are the faults whose effect could not be verified, and failures that no
	// fault should cause.
	missed []string
}

// rage runs a plan, each lane independently, and returns once everything is
// repaired.
func (s *storm) rage(ctx context.Context, faults []fault, whole time.Duration) error {
	byLane := make(map[lane][]fault)
	for _, f := range faults {
		byLane[f.lane] = append(byLane[f.lane], f)
	}
	var all sync.WaitGroup
	errs := make([]error, len(decks))
	for n, d := range decks {
		all.Go(func() {
			for _, f := range byLane[d.lane] {
				// If the previous faults took longer, the rest of the plan is
				// dropped.
				if !wait(ctx, time.Until(s.began.Add(f.at))) || time.Since(s.began) > whole {
					return
				}
				if errs[n] = s.strike(ctx, f); errs[n] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// errMissed is the error of a fault without an effect.
var errMissed = errors.New("it did not strike")

// errDisorder is the error of an instance that did not stop in order when asked to.
var errDisorder = errors.New("it left badly")

// strike injects one fault. An error is a failure of the setup, which ends the run.
func (s *storm) strike(ctx context.Context, f fault) error {
	strike := map[lane]func(context.Context, fault) (string, error){
		laneInstances: s.strikeInstance, laneKafka: s.strikeKafka, laneRedis: s.strikeRedis, laneBalancer: s.strikeBalancer,
	}[f.lane]
	at := time.Since(s.began)
	shown, err := strike(ctx, f)
	if err != nil && !errors.Is(err, errMissed) && !errors.Is(err, errDisorder) {
		return fmt.Errorf("%s %d is to be %s: %w", f.lane, f.target+1, f.kind, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%6.1fs  %-9s %d  %-10s  %s; mended at %.1fs", at.Seconds(), f.lane, f.target+1, f.kind, shown, time.Since(s.began).Seconds())
	if err != nil {
		s.missed = append(s.missed, fmt.Sprintf("%s: %v", line, err))
		s.say("%s: %v", line, err)
		return nil
	}
	s.struck[fmt.Sprintf("%s %s", f.lane, f.kind)]++
	s.say("%s", line)
	return nil
}

// by stops a server and returns how its process ended.
func by(server *stack.Server, end func() error) (string, error) {
	pid := server.PID()
	if err := end(); err != nil {
		return "", err
	}
	ended := server.Ended()
	if pid == 0 || ended == nil || ended.Pid() != pid {
		return "", fmt.Errorf("%w: nothing ran", errMissed)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		return "", fmt.Errorf("%w: process %d is still there", errMissed, pid)
	}
	return fmt.Sprintf("process %d: %v", pid, ended), nil
}

// kill is by with SIGKILL, and verifies that the signal ended the process.
func kill(server *stack.Server) (string, error) {
	shown, err := by(server, server.Kill)
	if err == nil && !strings.Contains(shown, "signal: killed") {
		err = fmt.Errorf("%w: %s", errMissed, shown)
	}
	return shown, err
}

// pause suspends a process for a time, and verifies that it was stopped and did not
// answer.
func pause(ctx context.Context, server *stack.Server, lasts time.Duration, answers func(context.Context) error) (string, error) {
	pid, began := server.PID(), time.Now()
	if err := server.Pause(); err != nil {
		return "", err
	}
	// The threads of a process need not stop at the same time.
	errState := until(ctx, lasts/2, func() error {
		state, err := processState(pid)
		if err == nil && state != "T" {
			err = fmt.Errorf("%w: process %d is in state %s", errMissed, pid, state)
		}
		return err
	})
	asked, cancel := context.WithTimeout(ctx, min(lasts/4, 2*time.Second))
	errAnswer := answers(asked)
	cancel()
	wait(ctx, lasts-time.Since(began))
	if err := server.Resume(); err != nil {
		return "", err
	}
	shown := fmt.Sprintf("process %d: state T", pid)
	if errState != nil {
		return "", errState
	}
	if errAnswer == nil {
		return shown, fmt.Errorf("%w: it answers", errMissed)
	}
	return shown, nil
}

// processState returns a process's state from /proc: T is stopped.
func processState(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", fmt.Errorf("read process state: %w", err)
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	if !ok || rest == "" {
		return "", fmt.Errorf("read process state: %q", stat)
	}
	return rest[:1], nil
}

// wait returns false if the context ends first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// until polls, up to a bound, until so returns nil.
func until(ctx context.Context, bound time.Duration, so func() error) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for {
		err := so()
		if err == nil || !wait(ctx, 100*time.Millisecond) {
			return err
		}
	}
}
