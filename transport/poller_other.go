//go:build !linux

package transport

import (
	"errors"
	"net"
)

// poller is for Linux only: elsewhere a reader waits in a goroutine of its own.
type poller struct{}

type rouser interface{ rouse() }

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) run() error { return nil }

func (*poller) close() {}

func (*poller) watch(net.Conn, uint64, rouser) uint64 { return 0 }

func (*poller) forget(uint64) {}
