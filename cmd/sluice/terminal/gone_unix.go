//go:build unix

package terminal

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// goneEvery is how long it takes at most to notice that a reader has gone.
const goneEvery = time.Second

// Gone returns once nobody reads the pipe or socket any more that an output leads to, and true,
// or when the context ends.
func Gone(ctx context.Context, out any) bool {
	f, ok := out.(*os.File)
	if !ok {
		<-ctx.Done()
		return false
	}
	tick := time.NewTicker(goneEvery)
	defer tick.Stop()
	for {
		// Only what cannot be asked for is reported: errors and hang-ups.
		fds := []unix.PollFd{{Fd: int32(f.Fd())}}
		if n, err := unix.Poll(fds, 0); err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}
