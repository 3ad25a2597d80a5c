//go:build !linux

package bounds

import "time"

// Took returns how long a call takes: the time of a single thread is not known here.
func Took(call func()) time.Duration {
	begun := time.Now()
	call()
	return time.Since(begun)
}
