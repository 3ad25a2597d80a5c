package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of processor time in /proc/PID/stat: USER_HZ, which is
// 100 on every architecture that Go runs on.
const clockTick = 10 * time.Millisecond

var errProcess = errors.New("unexpected form of /proc")

// cpuTime is the processor time that a process has used so far, of all its
// threads, in user and system mode.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return parseCPUTime(stat)
}

func parseCPUTime(stat []byte) (time.Duration, error) {
	// The program's name, in parentheses, may hold spaces and parentheses.
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	const user, system = 11, 12
	if end < 0 || len(fields) <= system {
		return 0, fmt.Errorf("read processor time: %w", errProcess)
	}
	var ticks int64
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// residentBytes is the memory of a process that is in RAM now.
func residentBytes(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read resident memory: %w", err)
	}
	return parseResident(status)
}

func parseResident(status []byte) (int64, error) {
	for line := range strings.Lines(string(status)) {
		rest, ok := strings.CutPrefix(line, "VmRSS:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read resident memory: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read resident memory: %w", errProcess)
}
