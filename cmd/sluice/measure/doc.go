// Package measure measures a server from outside for `sluice bench`: clients that subscribe to
// a stream, and optionally records that are published to it at a rate.
//
// Clients connect at a rate, before the window begins. In the window of Config.Duration, it
// counts the events that arrive. A record that the run has published itself carries a header with
// the time at which it was due: its latency is from then to its arrival, so that a stall counts
// for all that it has delayed, on one clock. The latency of other records is from their time in
// Kafka, which another clock may have set, in milliseconds. After the window, records that were
// published in it are waited for, for Config.Patience.
//
// A client that loses its connection comes back as a client does: after a wait with full jitter, or when
// the server says, and behind the last record that it had. The time from the loss to the next subscription
// is measured. What the server delivers again is repeated, and what it does not deliver is missing. A client
// that the server refuses for good stays away.
//
// # Goroutines
//
// Run has one goroutine for each client, and up to publishAtOnce for records that are being
// published; all have ended when it returns.
//
// # Files
//
//	run.go        Run: connecting, the window, the end
//	config.go     Config, and what it may be
//	client.go     one client; websocket.go and sse.go how it reads
//	ending.go     why a connection has ended, and whether to come back
//	position.go   where a client goes on
//	event.go      what arrives
//	publisher.go  records at a rate
//	tally.go      what is counted, in shards
//	report.go     the result, as JSON and as text
//	numbers.go    a set of numbers
//	process_*.go  CPU time and the limit of open files
package measure
