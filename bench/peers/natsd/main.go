// Command natsd is a NATS server for comparisons: one listener for its own
// protocol, one for WebSockets without TLS.
//
//	natsd -listen 127.0.0.1:4222 -websocket 127.0.0.1:8000
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:4222", "address of the NATS protocol")
	websocket := flag.String("websocket", "127.0.0.1:8000", "address for WebSockets")
	flag.Parse()
	if err := run(*listen, *websocket); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1)
	}
}

func run(listen, websocket string) error {
	host, port, err := split(listen)
	if err != nil {
		return err
	}
	wsHost, wsPort, err := split(websocket)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "peer", Host: host, Port: port,
		MaxConn: 100_000, NoLog: true,
		Websocket: server.WebsocketOpts{Host: wsHost, Port: wsPort, NoTLS: true},
	})
	if err != nil {
		return fmt.Errorf("make server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("it does not get ready")
	}
	s.WaitForShutdown()
	return nil
}

func split(address string) (string, int, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("read address: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("read address: %w", err)
	}
	return host, port, nil
}
