package main

import (
	"io"
	"net"
	"os"
	"testing"
)

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 7 {
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(other, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	self := processes{os.Getpid()}
	if got, err := self.requests(brokerPorts([]string{l.Addr().String()})); err != nil || got != 7 {
		t.Errorf("%d requests, %v", got, err)
	}
	if got, err := self.requests(brokerPorts([]string{"127.0.0.1:1"})); err != nil || got != 0 {
		t.Errorf("to another port: %d requests, %v", got, err)
	}
}

func dialTest(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
