package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// machineBusy returns the CPU time that the machine has spent on any work, or that
// its host has withheld, since boot.
func machineBusy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read machine: %w", err)
	}
	return parseBusy(string(text))
}

// parseBusy sums the first line of /proc/stat without idle time (fields 4 and 5),
// and without guests, which are already counted as user time.
func parseBusy(text string) (time.Duration, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	const idle, wait, last = 4, 5, 8
	if len(fields) <= last || fields[0] != "cpu" {
		return 0, fmt.Errorf("read machine: %w", errProcess)
	}
	var ticks int64
	for i := 1; i <= last; i++ {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read machine: %w", err)
		}
		if i != idle && i != wait {
			ticks += n
		}
	}
	return time.Duration(ticks) * clockTick, nil
}

// ourCPU returns the CPU time of this program, of all processes that it started, and
// of the server if that was not started by it.
func (p place) ourCPU() (time.Duration, error) {
	ours := processes{os.Getpid()}
	all, err := ours.tree()
	if err != nil {
		return 0, err
	}
	started := map[int]bool{}
	for _, pid := range all {
		started[pid] = true
	}
	for _, pid := range p.Server {
		if !started[pid] {
			ours = append(ours, pid)
		}
	}
	return ours.cpu()
}
