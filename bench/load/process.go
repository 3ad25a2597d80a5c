package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of CPU time in /proc/PID/stat: USER_HZ, which is 100 on
// every architecture that Go supports.
const clockTick = 10 * time.Millisecond

var errProcess = errors.New("unexpected form of /proc")

// processes are the processes of a server: these ids and all their descendants.
type processes []int

// cpu returns the CPU time that a server has used so far, of all its processes and
// threads, in user and system mode.
func (p processes) cpu() (time.Duration, error) {
	all, err := p.tree()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for i, pid := range all {
		used, err := cpuTime(pid)
		if i >= len(p) && gone(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// resident returns the resident memory of a server, in bytes. Memory shared between
// its processes counts once.
func (p processes) resident() (int64, error) {
	all, err := p.tree()
	if err != nil {
		return 0, err
	}
	if len(all) == 1 {
		return readKiB(fmt.Sprintf("/proc/%d/status", all[0]), "VmRSS:")
	}
	var sum int64
	for i, pid := range all {
		n, err := readKiB(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		if i >= len(p) && gone(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// gone reports whether an error of /proc means that a process has ended, which
// descendants may do at any time.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// tree lists the processes and all their descendants.
func (p processes) tree() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // The process has ended.
		}
		if fields, err := statFields(stat); err == nil {
			if parent, err := strconv.Atoi(fields[1]); err == nil {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	var all []int
	for next := append([]int(nil), p...); len(next) > 0; {
		pid := next[0]
		all = append(all, pid)
		next = append(next[1:], children[pid]...)
	}
	return all, nil
}

// cpuTime returns the CPU time of one process.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return parseCPUTime(stat)
}

// statFields returns the fields after the program's name, which is in parentheses
// and may contain spaces and parentheses.
func statFields(stat []byte) ([]string, error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) < 13 {
		return nil, fmt.Errorf("read process: %w", errProcess)
	}
	return fields, nil
}

func parseCPUTime(stat []byte) (time.Duration, error) {
	fields, err := statFields(stat)
	if err != nil {
		return 0, err
	}
	const user, system = 11, 12
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

// readKiB reads a size from a file in /proc, and returns it in bytes.
func readKiB(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return parseKiB(text, name)
}

func parseKiB(text []byte, name string) (int64, error) {
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("read memory: %w", errProcess)
}
