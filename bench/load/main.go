// Command load measures a server that fans records out of Kafka: how many
// deliveries a second it makes, what one costs in processor time, how long a
// record takes from its making to the client's read, how much memory a
// connection holds, and whether anything is missing.
//
//	go run ./bench/load                       every scenario, on a Kafka and a server of its own
//	go run ./bench/load -short single keyed   two of them, for less long
//	go run ./bench/load my.yaml               one of yours
//	go run ./bench/load -url http://127.0.0.1:8080 -pid 4711 -brokers 127.0.0.1:9092 \
//	    -stream demo -topic demo -connections 1000 -rate 2000
//
// Scenarios are YAML files, described in package scenario; -list names those
// that come with it, -help all flags. Targets in them are compared with what was
// measured, and the output says which were met, or by how much they were missed.
//
// # Method
//
// The server under test, Kafka, the clients, the writer and the floor are
// processes of their own, so that each can be accounted for. The writer produces
// open loop: a record carries the time at which it was due, whether or not the
// writer was late, so that a stall of any part counts for all the records that
// it held up (no coordinated omission). The floor is a fetch loop and nothing
// else, on the same topics in the same run: one long poll a broker, nothing
// decoded. What it needs is Kafka's, what a client needs above it is the server's.
//
// The peer bare is the limit of what a server can do on a machine: one loop that
// fetches as the floor does, lays each record out as one frame, the same event
// that Sluice's clients get, and writes what a fetch brought to each socket in
// turn with one write, without rights, filters, cursors, pings or limits. It is
// measured right behind Sluice, with clients of the same kind, in every scenario
// that has a target relative to it: "p99_ms <= bare * 1.2". Tables have its rows
// and the ratios to it, which say more than absolute figures, as they depend less
// on the machine and its pace. -rounds measures both several times in turn, and
// adds the medians of the ratios. A run in which bare lost something fails.
//
// Only records made within the window count, in deliveries and latency; the
// server's processor time is read from /proc at the window's two ends. Every
// record has a slot (its key) and a number within it, so that each client knows
// which it had: what is missing and what came twice is counted, not guessed.
// Histograms of all clients are merged before a percentile is taken.
//
// A client process reads its sockets through one edge-triggered epoll instance
// with one buffer, looks for the stamp with a byte search, and parses nothing
// else: it has to cost far less than the server, since both share the machine.
// Its own cost is in the table. Clients are spread over as many processes as
// -clients-per-process says, and over source addresses in 127.0.0.0/8.
//
// # Other servers
//
// Any server can be measured that hands values on as they are: -dialect plain
// takes each WebSocket message or event-stream data line for a record, -path and
// -send say how to subscribe. -peers all measures several beside Sluice in one
// run, each but bare fed from the same topic by the same small bridge, which is
// accounted for on its own. Those that are Go programs are in bench/peers, a
// module of its own.
//
// # Files
//
//	main.go       the roles of the program
//	options.go    flags; load.go the whole run, on what it starts or on -url
//	kafka.go      topics, and Kafka warmed up; server.go the server; its configuration
//	place.go      where a scenario runs; measure.go one run of it; phase.go one window of it;
//	              returning.go those who come back; result.go what it measured
//	fleet.go      the client processes together; child.go the lines between processes
//	clients.go    the client process: opening, storms, reports; publish.go publishing
//	target.go     what clients ask for; dial.go sockets, source addresses and handshakes
//	reader.go     the epoll loop; rawio.go its system calls; message.go what it makes of bytes
//	websocket.go  RFC 6455 frames, as far as a client needs them; sse.go event streams, chunked
//	              or not; nats.go NATS's lines
//	stamp.go      the time, slot and number within a record; track.go what a client had
//	latency.go    histograms and their summaries
//	produce.go    the writer process; floor.go a fetch loop alone, and tail.go how it reads Kafka
//	process.go    processor time and memory from /proc; requests.go what was sent to Kafka;
//	              otherload.go what else the machine did
//	bare.go       the peer bare, one loop that reads and writes; barelayout.go its handshake and
//	              frames; barerun.go a run of it; baretable.go what is compared with it
//	peers.go      other servers; peersrun.go a run of them; nginx.go and pushpin.go their configuration
//	bridge.go     the process that feeds them from Kafka; publishers.go their APIs
//	profile.go    where the server's processor time goes
//	kernel.go     what the kernel takes for a delivery
//	table.go      tables; headline.go those of the front page; report.go the machine,
//	              Markdown and JSON files
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
	roleFloor   = "role=floor"
	roleBridge  = "role=bridge"
	roleBare    = "role=bare"
	roleKernel  = "role=kernel"
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
		case roleFloor:
			return runFloor(ctx, in, out)
		case roleBridge:
			return runBridge(ctx, in, out)
		case roleBare:
			return runBare(ctx, in, out)
		case roleKernel:
			return runKernel(ctx, in, out)
		}
	}
	return runLoad(ctx, args, out, progress)
}
