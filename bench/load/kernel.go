package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A loop of writes to as many sockets as a crowd has, and of reads from them in
// another process: the kernel's cost of a delivery, whatever the server.
const (
	kernelSockets = 1000
	kernelBytes   = 300 // a record of 200 bytes in its envelope
	kernelEvery   = 20 * time.Millisecond
	kernelFor     = 2 * time.Second
)

// kernelCost is the cost of a delivery without any server.
type kernelCost struct {
	// WriteMicros and ReadMicros are the CPU time of a write and a read.
	WriteMicros float64 `json:"write_us"`
	ReadMicros  float64 `json:"read_us"`
	// PassMillis is the duration of one loop over all sockets.
	PassMillis float64 `json:"pass_ms"`
}

// kernelJob makes the reading process connect to an address.
type kernelJob struct {
	Address string `json:"address"`
	Count   int    `json:"count"`
}

// measureKernel writes to the sockets of a reading process.
func measureKernel(ctx context.Context) (kernelCost, error) {
	listener, address, err := kernelListener()
	if err != nil {
		return kernelCost{}, err
	}
	defer func() { _ = unix.Close(listener) }()
	reading, err := startChild(ctx, roleKernel)
	if err != nil {
		return kernelCost{}, err
	}
	defer reading.stop()
	if _, err := reading.ask(ctx, command{Do: "open", Kernel: &kernelJob{Address: address, Count: kernelSockets}}); err != nil {
		return kernelCost{}, err
	}
	sockets := make([]int, 0, kernelSockets)
	defer func() {
		for _, fd := range sockets {
			_ = unix.Close(fd)
		}
	}()
	for range kernelSockets {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return kernelCost{}, fmt.Errorf("accept: %w", err)
		}
		sockets = append(sockets, fd)
	}
	return writeKernel(ctx, sockets, reading)
}

func writeKernel(ctx context.Context, sockets []int, reading *child) (kernelCost, error) {
	before, err := reading.ask(ctx, command{Do: "report"})
	if err != nil {
		return kernelCost{}, err
	}
	payload := make([]byte, kernelBytes)
	writes := 0
	var passes int
	var inPasses time.Duration
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := threadTime()
	for end := time.Now().Add(kernelFor); time.Now().Before(end) && ctx.Err() == nil; {
		began := time.Now()
		for _, fd := range sockets {
			if _, err := unix.Write(fd, payload); err != nil {
				return kernelCost{}, fmt.Errorf("write: %w", err)
			}
		}
		took := time.Since(began)
		inPasses += took
		passes++
		writes += len(sockets)
		time.Sleep(kernelEvery - took)
	}
	used = threadTime() - used
	after, err := reading.ask(ctx, command{Do: "report"})
	if err != nil {
		return kernelCost{}, err
	}
	reads := after.Kernel.Reads - before.Kernel.Reads
	if reads == 0 {
		return kernelCost{}, fmt.Errorf("%w: nothing was read", errChild)
	}
	return kernelCost{
		WriteMicros: used.Seconds() * 1e6 / float64(writes),
		ReadMicros:  (after.Kernel.CPUSeconds - before.Kernel.CPUSeconds) * 1e6 / float64(reads),
		PassMillis:  inPasses.Seconds() * 1e3 / float64(passes),
	}, nil
}

// threadTime returns the CPU time of the calling thread.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

// kernelListener listens on a free loopback port.
func kernelListener() (fd int, address string, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, "", fmt.Errorf("make socket: %w", err)
	}
	err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, kernelSockets))
	if err == nil {
		var name unix.Sockaddr
		name, err = unix.Getsockname(fd)
		if four, ok := name.(*unix.SockaddrInet4); ok {
			return fd, fmt.Sprintf("127.0.0.1:%d", four.Port), nil
		}
	}
	_ = unix.Close(fd)
	return -1, "", fmt.Errorf("listen: %w", err)
}

// kernelReport is what the reading process has done.
type kernelReport struct {
	Reads      int64   `json:"reads"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

// runKernel is the reading process: the loop of the client processes, which ignores
// what it reads.
func runKernel(ctx context.Context, in io.Reader, out io.Writer) error {
	r, err := newReader()
	if err != nil {
		return err
	}
	r.dialect = dialectNone
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	err = answerCommands(in, out, func(cmd command) (answer, error) {
		switch cmd.Do {
		case "open":
			to := target{Address: cmd.Kernel.Address}
			for i := range cmd.Kernel.Count {
				fd, err := to.connect(i, 0)
				if err == nil {
					err = unix.SetNonblock(fd, true)
				}
				if err == nil {
					err = r.add(&conn{fd: fd}, -1)
				}
				if err != nil {
					return answer{}, err
				}
			}
			return answer{}, nil
		case "report":
			used, err := cpuTime(os.Getpid())
			t, _, _ := r.report(false)
			return answer{Kernel: &kernelReport{Reads: t.Reads, CPUSeconds: used.Seconds()}}, err
		}
		return answer{}, fmt.Errorf("unknown command %q", cmd.Do)
	})
	cancel()
	return errors.Join(err, <-ended)
}
