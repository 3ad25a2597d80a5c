// Package transport is how clients and operators reach Sluice: WebSocket and
// server-sent event sessions, pages, publishing, and the admin listener. The
// messages and their framing are in transport/wire.
//
// What it guarantees:
//
//   - Nothing is delivered or taken before authentication, and nothing after a
//     token has ended.
//   - All that goes out on a connection, control frames and closes too, goes
//     through one writer at frame boundaries.
//   - A client that is slow, stuck or hostile holds up nobody else: workers never
//     wait for a socket, and what is kept for one session is bounded.
//   - Every fault has a code of the one table in transport/wire; errors of the
//     domain become faults in faults.go and nowhere else.
//
// Who runs what: Run starts the workers and the HTTP servers and waits for them.
// A session is run by exactly one executor at a time: its worker, or a goroutine
// of its own where a connection cannot be written to without waiting, as under
// TLS and HTTP/2. Others post commands to it. One goroutine watches all plain
// sockets that are quiet; a reader is started for one when there is something to
// read, and ends when that has been read. Elsewhere than on Linux, and under
// TLS, each connection has a reader of its own.
//
// Tour: server.go, routes.go and methods.go put it together, listening.go and
// admission.go let clients in, as many as gate.go counts, with forwarded.go for
// what proxies say of them and accepting.go for what they accept. handshake.go
// and websocket.go, events.go, pages.go, publishing.go and cursors.go are the
// endpoints; messages.go reads what a WebSocket says, declared.go how large its
// messages are to be, and requests.go answers them, with identity.go,
// subscriptions.go, acks.go and pinged.go. reading.go finds out where a reader
// starts, expiry.go has all that is asked for end with its token, answer.go has
// answers be read in time.
//
// session.go is what a session is and does, sending.go what it says, writing.go
// how that gets onto its outlet (outlet.go; socket_linux.go for plain sockets),
// giveback.go what becomes of what that does not take, clock.go what time
// brings, waiting.go who waits for it, closing.go its end. worker.go and
// workers.go run sessions; wheel.go finds those that are due, with the times of
// moment.go; resting.go and poller_linux.go watch those that are quiet. format.go
// lays out, reclaim.go gives memory back.
//
// compression.go says what is compressed, the files compression_*.go how;
// compressing.go makes of shared blocks and a session's own bytes one compressed
// stream, and inflating.go reads what clients compress.
//
// faults.go, metrics.go, readiness.go and admin.go are what is told about it all, limits.go
// what bounds it.
package transport
