// Command load measures a server that fans records out of Kafka: how many deliveries
// it makes per second, the CPU time per delivery, the latency from the making of a
// record to the client's read, the memory per connection, and whether anything is
// missing.
//
//	go run ./bench/load                       every scenario, on a Kafka and a server of its own
//	go run ./bench/load -short single keyed   two of them, for less long
//	go run ./bench/load my.yaml               one of yours
//	go run ./bench/load -url http://127.0.0.1:8080 -pid 4711 -brokers 127.0.0.1:9092 \
//	    -stream demo -topic demo -connections 1000 -rate 2000
//
// Scenarios are YAML files, described in package scenario; -list lists the built-in
// ones, -help all flags. Their targets are compared with the measurements, and the
// output shows which were met, or by how much they were missed.
//
// # Method
//
// The server under test, Kafka, the clients, the writer and the floor are separate
// processes, so that each can be accounted for. The writer produces open loop: a
// record carries the time at which it was due, whether or not the writer was late,
// so that a stall of any part counts for all the records that it delayed (no
// coordinated omission). The floor is a fetch loop and nothing else, on the same
// topics in the same run: one long poll per broker, nothing decoded. Its latency is
// that of Kafka; what a client needs above it is the server's.
//
// The peer bare is the limit of what a server can do on a machine: one loop that
// fetches as the floor does, encodes each record as one frame, the same event that
// Sluice's clients get, and writes the frames of a fetch to each socket in turn with
// one write, without rights, filters, cursors, pings or limits. It is measured right
// after Sluice (with -rounds, in every second round right before it), with clients
// of the same kind, in every scenario that has a target relative to it: "p99_ms <=
// bare * 1.2". Tables have its rows and the ratios to it, which are more meaningful
// than absolute figures, because they depend less on the machine and its speed.
// -rounds measures both several times in turn, and adds the medians of the ratios. A
// run in which bare lost something fails.
//
// Only records made within the window count, in deliveries and latency; the server's
// CPU time is read from /proc at both ends of the window. Every record has a slot
// (its key) and a number within it, so that each client knows which records it has
// received: missing and repeated records are counted, not estimated. Histograms of
// all clients are merged before a percentile is computed.
//
// A client process reads its sockets through one edge-triggered epoll instance with
// one buffer, finds the stamp with a byte search, and parses nothing else: it has to
// cost far less than the server, because both share the machine. Its own cost is in
// the table. Clients are distributed over processes according to
// -clients-per-process, and over source addresses in 127.0.0.0/8.
//
// # Publishing
//
// Clients that publish do so open loop as well, over WebSocket, as JSON posts or as lines
// of NDJSON, one record or a batch at a time. The latency is the time from when a publish
// was due to its whole answer. Records that are not stored, or not answered within
// seconds, are missing.
//
// For them the peer bare is a process with nothing but an idempotent producer, franz-go's,
// with acks=all, without a linger, and with the server's codec. It has the same values and
// keys, due at the same times, and so in the same partitions; each record is produced by a
// call of its own, and its latency is the time from when it was due to Kafka's
// acknowledgement. Nothing reads the topic meanwhile, of either.
//
// A scenario with `vary: {of: schema}` is run once with each of the schemas that package
// scenario lists; a kind of schema that is added there has a row in the tables. The
// registry, for those that need one, is in the main process.
//
// # Other servers
//
// Any server that forwards values unchanged can be measured: -dialect plain treats
// each WebSocket message or event-stream data line as a record, -path and -send set
// how to subscribe. -peers all measures several servers beside Sluice in one run,
// each except bare fed from the same topic by the same small bridge, which is
// accounted for separately. The peers that are Go programs are in bench/peers, a
// separate module.
//
// # Files
//
//	main.go       the roles of the program
//	options.go    flags; load.go the whole run, with its own servers or with -url
//	kafka.go      topics, and the warm-up of Kafka; server.go the server and its configuration
//	schemas.go    the streams of the configuration with their schemas, and a schema registry
//	front.go      an nginx that ends TLS in front of the server
//	place.go      where a scenario runs; measure.go one run of it; phase.go one window of it;
//	              returning.go clients that come back; publishrun.go clients that publish,
//	              and the bare producer; result.go the results
//	fleet.go      all client processes; child.go the communication between processes
//	clients.go    the client process: opening, storms, reports; publish.go publishing;
//	              httpanswer.go responses to posts
//	target.go     what clients request; dial.go sockets, source addresses and handshakes; tls.go TLS
//	reader.go     the epoll loop; rawio.go its system calls; message.go the parsing of its input
//	websocket.go  RFC 6455 frames, as far as a client needs them; sse.go event streams, chunked
//	              or not; nats.go NATS's lines
//	stamp.go      the time, slot and number within a record; track.go the records that a client had
//	latency.go    histograms and their summaries
//	produce.go    the writer process; floor.go a fetch loop alone, and tail.go how it reads Kafka
//	process.go    CPU time and memory from /proc; requests.go the requests sent to Kafka;
//	              otherload.go other load of the machine
//	bare.go       the peer bare, one loop that reads and writes; barelayout.go its handshake and
//	              frames; barerun.go a run of it; baretable.go comparisons with it
//	peers.go      other servers; peersrun.go a run of them; nginx.go and pushpin.go their configuration
//	bridge.go     the process that feeds them from Kafka; publishers.go their APIs
//	profile.go    profiles of the server's CPU time
//	kernel.go     the kernel's cost of a delivery
//	table.go      tables; publishtable.go those of publishing; headline.go those of the front
//	              page; report.go the machine, Markdown and JSON files
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

// The roles of child processes, passed as the first argument.
const (
	roleClients = "role=clients"
	roleProduce = "role=produce"
	roleFloor   = "role=floor"
	roleBridge  = "role=bridge"
	roleBare    = "role=bare"
	roleKernel  = "role=kernel"
)

func main() {
	// The kernel kills children when the thread that started them ends, so they must
	// be started from the thread that lives as long as the process.
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
