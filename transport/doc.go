// Package transport is how clients and operators reach Sluice: WebSocket and
// server-sent event sessions, pages, publishing, and the admin listener. The
// messages and their framing are in transport/wire, plain sockets, which are read
// and written without waiting, in transport/socket, and what is compressed for all
// in transport/compress.
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
// # The life of a session
//
//	 request           executor of the session
//	newSession ─start─► open ──close──► closing ──finish──► ended
//	    │                │                 │                  ▲
//	    │                └───────cut───────┴───────cut────────┤
//	    └──────────────────────release──────────────────────►─┘
//
// A request makes a session, and starts it once its subscriptions have begun;
// what keeps it from that releases it. An open session reads requests and
// delivers. close says why it ends: after that nothing is said, and of what the
// client sends only its own end is awaited. finish follows when the last bytes
// have been written; cut ends the connection at once, without a word, when it has
// broken, takes nothing, or the server ends. Both release all that the session
// has. Each kind of ending, of a session and of a subscription, is chosen in
// ending.go.
//
// # Files
//
// A file uses those behind it. Those of one paragraph belong together.
//
//	admin.go                 what operators find
//	readiness.go             whether clients are to come here
//	reclaim.go               giving memory back after a wave of clients
//
//	dialect_events.go        server-sent events
//	dialect_broadcast.go     NDJSON, and what sessions in a response do
//	dialect_messages.go      JSON over a WebSocket, a message an object or a write
//	dialect_conversation.go  what sessions over a WebSocket do beside delivering
//
//	routes.go                what clients find, and what is around each request
//	methods.go               methods of a path, paths that are not clean
//	events.go                GET of event streams
//	handshake.go             GET /v1/ws
//	cursors.go               named cursors over HTTP
//	pages.go                 GET of pages
//	answer.go                answers are read in time
//	publishing.go            POST of records, and what a publish becomes
//
//	identity.go              authenticating and renewing
//	messages.go              what a WebSocket's client sends
//	inflating.go             what clients compress
//	requests.go              answering it
//	websocket.go             the connection as the WebSocket library sees it
//	acks.go                  acks of named cursors
//	subscriptions.go         subscriptions of a session
//	subscribing.go           where one begins
//	pinged.go                which ping acks what
//	declared.go              how large a client's messages are to be
//
//	writing.go               how that gets onto its connection
//	clock.go                 what time brings
//	ending.go                why and how it ends
//	sending.go               what it says
//	compressing.go           one compressed stream of shared blocks and its own bytes
//	session.go               what a session is and does in a step
//	rewind.go                what the connection did not take
//
//	principals.go            who is connected, by principal and by what revokes a principal
//	accepting.go             what a client accepts
//	admission.go             who sends a request
//	rights.go                what a principal may do with a stream
//	forwarded.go             what proxies say of a client
//	gate.go                  how many sessions there may be
//	expiry.go                what is asked for ends with its token
//
//	server.go                Config, Server, Run, drain
//	listener.go              accepting connections in turn
//
//	workers.go               all workers
//	worker.go                who runs sessions, and when
//	wheel.go                 which sessions are due
//	conn_writer.go           writing to connections by waiting
//	reader.go                when a reader runs
//	waiting.go               who waits for a session
//	tasks.go                 goroutines that are waited for
//
//	compression.go           what is compressed
//	faults.go                errors of the domain as faults of the protocol
//	metrics.go               what is counted
//	metrics_memory.go        what memory is counted
//	limits.go                what bounds clients
//	dialect.go               how a session speaks: the interface
//	monotime.go              monotonic time
package transport
