package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// machineBusy is the processor time that the machine has spent on anything, or
// was refused by its host, since it started.
func machineBusy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read machine: %w", err)
	}
	return parseBusy(string(text))
}

// parseBusy adds up the first line of /proc/stat but for idle time (fields 4
// and 5), and guests, which are counted as user time already.
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

// ourCPU is the processor time of this program, all that it started, and the
// server where that was there before.
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
