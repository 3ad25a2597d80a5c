//go:build !linux

package socket

import (
	"errors"
	"net"
	"time"
)

// Poller is for Linux only.
type Poller struct{}

// NewPoller fails with errors.ErrUnsupported.
func NewPoller() (*Poller, error) { return nil, errors.ErrUnsupported }

// Run does nothing.
func (*Poller) Run() error { return nil }

// Close does nothing.
func (*Poller) Close() {}

// Take takes nothing.
func (*Poller) Take(net.Conn, Owner) (*Socket, bool) { return nil, false }

// Socket is for Linux only: elsewhere readers and writers wait in goroutines.
type Socket struct{}

// NotifyReadable is for Linux only, as all methods are.
func (*Socket) NotifyReadable() bool { return false }

// CancelReadable is for Linux only.
func (*Socket) CancelReadable() bool { return false }

// NotifyWritable is for Linux only.
func (*Socket) NotifyWritable() bool { return false }

// CancelWritable is for Linux only.
func (*Socket) CancelWritable() {}

// Hurry is for Linux only.
func (*Socket) Hurry(bool) {}

// Read is for Linux only.
func (*Socket) Read([]byte) (int, error) { return 0, net.ErrClosed }

// SetReadDeadline is for Linux only.
func (*Socket) SetReadDeadline(time.Time) error { return net.ErrClosed }

// Close is for Linux only.
func (*Socket) Close() error { return net.ErrClosed }

// Try is for Linux only.
func (*Socket) Try([][]byte) (int, error) { return 0, net.ErrClosed }

// WriteAll is for Linux only.
func (*Socket) WriteAll([]byte, time.Duration, time.Time) error { return net.ErrClosed }

// Finish is for Linux only.
func (*Socket) Finish(time.Duration) {}

// Abort is for Linux only.
func (*Socket) Abort() {}
