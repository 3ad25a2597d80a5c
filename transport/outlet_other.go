//go:build !unix

package transport

import "net"

func newOutlet(conn net.Conn) outlet { return connOutlet{conn} }
