package bounds

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Took returns the processor time of a call, without that of goroutines that it has started:
// how busy the machine is does not count.
func Took(call func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	call()
	return threadTime() - before
}

func threadTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		panic(err) // no Linux is without that clock
	}
	return time.Duration(now.Nano())
}
