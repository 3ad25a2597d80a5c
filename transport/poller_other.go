//go:build !linux

package transport

import "errors"

// poller is for Linux only.
type poller struct{}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) run() error { return nil }

func (*poller) close() {}
