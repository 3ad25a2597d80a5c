// Command load measures a running Sluice: how many deliveries a second it
// makes, what one costs in processor time, how long a record takes from its
// making to the client's read, and how much memory a connection holds.
//
//	go run ./bench/load -short          everything by itself, in about a minute
//	go run ./bench/load                 the same scenarios, measured for longer
//	go run ./bench/load -url http://127.0.0.1:8080 -pid 4711 -brokers 127.0.0.1:9092 \
//	    -stream demo -topic demo -connections 1000 -rate 2000
//
// Without -url it starts a real Kafka, builds the server, starts it once a
// scenario, and stops all of them again.
//
// # Method
//
// Four processes are kept apart so that each can be accounted for: the server
// under test, Kafka, the clients, and the writer with the floor. The writer
// produces open loop: record k carries the time at which it was due, whether
// or not the writer was late, so that a stall of any part counts for all the
// records that it held up (no coordinated omission). The floor is a bare Kafka
// consumer without a group, read committed, on the same topic in the same run:
// what it needs is Kafka's, what a client needs above it is the server's.
//
// Only records made within the window count, in the deliveries, the latency,
// and the server's processor time, which is read from /proc at its two ends.
// Deliveries are compared with connections times records produced.
//
// A client reads its sockets through one epoll instance with one buffer, looks
// for the record's time with a byte search, and parses nothing else: it has to
// cost far less than the server, since both share the machine. Its own cost is
// printed too.
//
// # Files
//
//	main.go       flags, the three roles of the program
//	load.go       options, and the whole run
//	scenario.go   what is measured; one run of it
//	table.go      results as Markdown and as JSON
//	child.go      the other processes and the lines that they exchange
//	kafka.go      the real Kafka, and a scenario on it
//	server.go     building and starting the server; its configuration
//	process.go    processor time and memory from /proc
//	clients.go    the client process: opening, windows, reports
//	dial.go       sockets, source addresses and handshakes
//	reader.go     the epoll loop
//	websocket.go  RFC 6455 frames as far as a client needs them
//	sse.go        the event stream, chunked or not
//	stamp.go      the time within a record; making and finding it
//	latency.go    histograms and their summaries
//	produce.go    the writer process
//	floor.go      the bare consumer
//
// It runs on Linux only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// The first argument of a child process.
const (
	roleClients = "role=clients"
	roleProduce = "role=produce"
)

func main() {
	// Children ask to be killed when the thread that started them ends, which
	// must therefore be the one that lives as long as the process.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out, progress io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case roleClients:
			return runClients(ctx, in, out)
		case roleProduce:
			return runProduce(ctx, in, out)
		}
	}
	return runLoad(ctx, args, out, progress)
}
