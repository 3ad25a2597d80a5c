//go:build !linux

package socket

import (
	"errors"
	"net"
	"time"
)

// Poller is implemented for Linux only.
type Poller struct{}

// NewPoller fails with errors.ErrUnsupported.
func NewPoller() (*Poller, error) { return nil, errors.ErrUnsupported }

// Run does nothing.
func (*Poller) Run() error { return nil }

// Close does nothing.
func (*Poller) Close() {}

// Take takes no connection.
func (*Poller) Take(net.Conn, Owner) (*Socket, bool) { return nil, false }

// Socket is implemented for Linux only: elsewhere readers and writers wait in
// goroutines.
type Socket struct{}

// NotifyReadable is implemented for Linux only, like all methods.
func (*Socket) NotifyReadable() bool { return false }

// CancelReadable is implemented for Linux only.
func (*Socket) CancelReadable() bool { return false }

// NotifyWritable is implemented for Linux only.
func (*Socket) NotifyWritable() bool { return false }

// CancelWritable is implemented for Linux only.
func (*Socket) CancelWritable() {}

// Hurry is implemented for Linux only.
func (*Socket) Hurry(bool) {}

// Read is implemented for Linux only.
func (*Socket) Read([]byte) (int, error) { return 0, net.ErrClosed }

// SetReadDeadline is implemented for Linux only.
func (*Socket) SetReadDeadline(time.Time) error { return net.ErrClosed }

// Close is implemented for Linux only.
func (*Socket) Close() error { return net.ErrClosed }

// Try is implemented for Linux only.
func (*Socket) Try([][]byte) (int, error) { return 0, net.ErrClosed }

// WriteAll is implemented for Linux only.
func (*Socket) WriteAll([]byte, time.Duration, time.Time) error { return net.ErrClosed }

// Finish is implemented for Linux only.
func (*Socket) Finish(time.Duration) {}

// Abort is implemented for Linux only.
func (*Socket) Abort() {}
