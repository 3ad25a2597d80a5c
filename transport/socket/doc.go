// Package socket reads and writes plain TCP connections without a goroutine for
// each. A [Poller] takes them over from Go's own poller, whose state for a
// connection takes more memory than the rest of an idle session, and notifies
// their owners of changes. It is implemented for Linux (epoll); elsewhere no
// connection is taken.
//
// One goroutine at a time may read from a [Socket] and one may write to it; Abort
// may be called from any goroutine. The reader closes the socket, after the
// writer has ended.
//
//	socket_linux.go  a connection
//	poller_linux.go  one goroutine that watches all of them
//	other.go         stubs for systems without a poller
//	tune_linux.go    bound on what a client that does not read can hold in the kernel
//	tune_other.go
package socket

// ErrNothing is returned to an impatient reader when there is nothing to read. It is
// a net.Error that is temporary: a TLS connection that reads from a socket returns
// it and can go on reading later, even within a record.
var ErrNothing error = nothing{}

type nothing struct{}

func (nothing) Error() string { return "there is nothing to read at once" }

// Timeout implements net.Error.
func (nothing) Timeout() bool { return true }

// Temporary implements net.Error.
func (nothing) Temporary() bool { return true }

// Owner is notified of changes on its socket, by the poller's goroutine. Its
// methods must not block, and may use the socket.
type Owner interface {
	// Readable is called once after NotifyReadable, when there is something to
	// read, or the end of the stream.
	Readable()
	// Writable is called once after NotifyWritable, when something can be
	// written, or writing fails.
	Writable()
}
