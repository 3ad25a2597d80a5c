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
//	run.go                   New and Run: the servers, and how they drain
//	metrics_memory.go        metrics of memory
//
//	admin.go                 the listener of operators
//	readiness.go             whether clients should come to this instance
//	reclaim.go               returning memory to the system after a wave of clients
//	principals.go            sessions by principal, and by what revokes one
//
//	routes.go                the routes of clients, and what wraps each request
//	methods.go               methods of a path, paths that are not clean
//	events.go                GET of event streams
//	handshake.go             GET /v1/ws
//	cursors.go               named cursors over HTTP
//	pages.go                 GET of pages
//	publishing.go            POST of records
//	accepting.go             which dialect and coding a client accepts
//	opening.go               making a session and starting it
//	admission.go             the client of a request
//
//	dialect_events.go        the dialect of server-sent events
//	dialect_broadcast.go     NDJSON, and what sessions in a response have in common
//	dialect_messages.go      JSON over a WebSocket, a message an object or a write
//	dialect_conversation.go  what sessions over a WebSocket do beside delivering
//
//	messages.go              reading the messages of a WebSocket's client
//	inflating.go             decompressing them
//	requests.go              answering them
//	identity.go              authenticating and renewing
//	acks.go                  acks of named cursors
//	subscriptions.go         subscribing, unsubscribing
//	subscribing.go           where a subscription begins, and by which right
//	publish.go               storing what is published, and the answers
//
//	workers.go               all workers
//	worker.go                running sessions in turn
//	wheel.go                 which sessions are due
//	step.go                  a step of a session: commands, events, writing
//	clock.go                 pings, expiry and other work by time
//	writing.go               writing what a step brought to the connection
//	rewind.go                taking back what the connection did not accept
//	compressing.go           one compressed stream of shared blocks and own bytes
//	reader.go                when a connection is read
//	ending.go                why and how a session or a subscription ends
//	sending.go               messages of the session
//	waiting.go               waiting for a session
//	sessionset.go            all sessions
//	session.go               a session, its subscriptions, its state
//	websocket.go             the connection as the WebSocket library sees it
//	declared.go              how large the messages of a client may be
//	pinged.go                which ping acks what
//	dialect.go               Dialect: how a session is encoded and framed
//
//	rights.go                what a principal may do with a stream
//	expiry.go                everything requested ends with its token
//	conn_writer.go           writing to connections that block
//	answer.go                answers are read in time
//	refusing.go              faults: answered, logged, counted
//	forwarded.go             what proxies say of a client
//	server.go                Config, Server
//	listener.go              accepting connections in turn
//	compression.go           Compression: what is compressed
//	metrics.go               metrics
//	gate.go                  how many sessions there may be
//	limits.go                Limits
//	faults.go                errors of the domain as faults of the protocol
//	tasks.go                 goroutines that Run waits for
//	protocol.go              the transports, as metrics name them
//	monotime.go              monotonic time
package transport
