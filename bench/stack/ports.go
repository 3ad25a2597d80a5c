package stack

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports are below Linux' range for outgoing connections (ip_local_port_range, 32768
// and up), so that no outgoing connection can take a server's port while the server
// is restarted.
const (
	firstPort = 16000
	lastPort  = 31999
)

var ports struct {
	sync.Mutex
	given map[int]bool
}

// FreeAddr returns a loopback address that nothing listens on, and that was not
// returned before in this process.
func FreeAddr() (string, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = make(map[int]bool)
	}
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if ports.given[port] {
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			return "", err
		}
		ports.given[port] = true
		return addr, nil
	}
	return "", errors.New("find port: none is free")
}
