//go:build !linux

package transport

import (
	"errors"
	"net"
	"time"
)

// socket is for Linux only: elsewhere readers and writers wait in goroutines.
type socket struct{}

var errNothing = errors.New("there is nothing to read at once")

func (*poller) takeSocket(net.Conn, *session) (*socket, bool) { return nil, false }

func (*socket) rest() bool                                   { return false }
func (*socket) unrest() bool                                 { return false }
func (*socket) stall() bool                                  { return false }
func (*socket) unstall()                                     {}
func (*socket) hurry(bool)                                   {}
func (*socket) Read([]byte) (int, error)                     { return 0, net.ErrClosed }
func (*socket) SetReadDeadline(time.Time) error              { return net.ErrClosed }
func (*socket) Close() error                                 { return net.ErrClosed }
func (*socket) try([][]byte) (int, error)                    { return 0, net.ErrClosed }
func (*socket) write([]byte, time.Duration, time.Time) error { return net.ErrClosed }
func (*socket) finish(time.Duration)                         {}
func (*socket) abort()                                       {}
