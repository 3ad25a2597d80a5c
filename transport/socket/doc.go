// Package socket has plain TCP connections read and written without a goroutine
// for each. A [Poller] takes them from Go's own, whose state for a connection
// takes more memory than the rest of a quiet session, and tells their owners what
// changes. That is for Linux (epoll); elsewhere nothing is taken.
//
// One goroutine at a time reads from a [Socket] and one writes to it; Abort may be
// called by anyone. It is closed by who reads, after who writes has ended.
//
//	socket_linux.go  a connection
//	poller_linux.go  one goroutine that watches all of them
//	other.go         where there is no poller
//	tune_linux.go    what a client that does not read can hold in the kernel
//	tune_other.go
package socket

import "errors"

// ErrNothing is what an impatient reader gets when there is nothing to read.
var ErrNothing = errors.New("there is nothing to read at once")

// Owner is told what changes on its socket, by the poller's goroutine. It must
// not block, and may use the socket.
type Owner interface {
	// Readable is called once after NotifyReadable, when there is something to read, be
	// it the end.
	Readable()
	// Writable is called once after NotifyWritable, when something can be written, or
	// writing fails.
	Writable()
}
