package stack

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Backend is a server behind a balancer.
type Backend struct {
	// Addr is its address for clients.
	Addr string
	// CheckAddr answers CheckPath with 200 while the backend accepts clients.
	CheckAddr, CheckPath string
}

// Balancer is an HAProxy in front of several servers.
type Balancer struct {
	*Server
	// Addr is its address for clients.
	Addr string
}

// NewBalancer prepares an HAProxy with its files in dir. New connections go to the
// backend with the fewest connections. A backend that fails its check twice gets no
// new connections and keeps those it has, so that it can drain; after one successful
// check it gets new ones again. Requests are repeated only if no connection could be
// made. Buffers are small, so that a client that does not read slows down its
// backend.
func NewBalancer(ctx context.Context, dir string, backends ...Backend) (*Balancer, error) {
	if err := Install(ctx, "haproxy"); err != nil {
		return nil, fmt.Errorf("prepare balancer: %w", err)
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, fmt.Errorf("prepare balancer: %w", err)
	}
	var config strings.Builder
	fmt.Fprintf(&config, `global
  maxconn 4000
  nbthread 1
  tune.sndbuf.client 32768
  tune.rcvbuf.server 32768
defaults
  mode http
  timeout connect 1s
  timeout client 2m
  timeout server 2m
  timeout tunnel 2m
  timeout http-request 10s
  timeout queue 1s
  retries 2
  option redispatch
  option forwardfor
frontend clients
  bind %s
  default_backend servers
backend servers
  balance leastconn
  option httpchk GET %s
  http-check expect status 200
  default-server check inter 300ms fall 2 rise 1 observe layer4
`, addr, backends[0].CheckPath)
	for i, backend := range backends {
		host, port, err := net.SplitHostPort(backend.CheckAddr)
		if err != nil {
			return nil, fmt.Errorf("prepare balancer: %w", err)
		}
		fmt.Fprintf(&config, "  server s%d %s addr %s port %s\n", i+1, backend.Addr, host, port)
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return nil, fmt.Errorf("prepare balancer: %w", err)
	}
	server := NewServer(Command{
		Name: "haproxy", Dir: dir, Args: []string{"haproxy", "-db", "-f", file},
		Ready: func(ctx context.Context) error {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	})
	return &Balancer{Server: server, Addr: addr}, nil
}
