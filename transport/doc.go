// Package transport implements Sluice's interfaces for clients and operators:
// WebSocket and server-sent event sessions, pages, publishing, and the admin
// listener. The messages and their framing are in transport/wire, sockets that are
// read and written without blocking (plain TCP) in transport/socket, the compression
// that sessions share in transport/compress, the elements of a body that is published
// while it arrives in transport/elements, and the record of who did what in
// transport/audit.
//
// The package guarantees:
//
//   - Nothing is delivered to or accepted from a client before it has
//     authenticated, and nothing after its token has expired or was revoked.
//   - All output of a connection, control frames and closes included, goes through
//     one writer at frame boundaries.
//   - A client that is slow, stuck or hostile does not delay other clients: workers
//     never wait for a socket, and the memory held for one session is bounded.
//   - Every fault has a code of the table in transport/wire; errors of the domain
//     are converted to faults in faults.go only.
//
// Goroutines: Run starts the workers and the HTTP servers and waits for them. A
// session is run by exactly one executor at a time: its worker, or a goroutine of
// its own where writes to the connection block, as under HTTP/2. Other goroutines
// post commands to the executor. One goroutine watches all sockets that have nothing
// to read, under TLS too; a reader goroutine is started for a socket when data
// arrives, and ends when the data has been read. On systems other than Linux each
// connection has a permanent reader goroutine.
//
// # The life of a session
//
//	 request           executor of the session
//	newSession ─start─► open ──close──► closing ──finish──► ended
//	    │                │                 │                  ▲
//	    │                └───────cut───────┴───────cut────────┤
//	    └──────────────────────release──────────────────────►─┘
//
// A request creates a session and starts it once its subscriptions have begun; if
// the request fails before that, the session is released. An open session reads
// requests and delivers events. close sends the reason why the session ends: after
// it nothing more is sent, and the only input still awaited is the end of the
// client's side. finish follows when the last bytes have been written. cut ends the
// connection at once and sends nothing: when the connection has broken, when the
// client takes no data, or when the server ends. Both release everything that the
// session holds. The ending of a session or a subscription is chosen in ending.go,
// for each reason.
//
// # Files
//
// A file uses those listed after it. Those of one paragraph belong together.
//
//	run.go                   New and Run: the servers and their draining
//	listener.go              accepting connections without starving handshakes
//	metrics_memory.go        memory metrics
//
//	admin.go                 the operators' listener
//	admin_revocations.go     revoking credentials, listing revocations
//	reclaim.go               returning memory to the system after a wave of clients
//
//	routes.go                the clients' routes, and the middleware of each request
//	whoami.go                GET of what the server knows of a principal
//	operators.go             the routes of operators, which both listeners have
//	operators_streams.go     GET of the streams' state
//	operators_draining.go    having clients reconnect
//	operators_sessions.go    GET of sessions, ending them
//	operators_ordering.go    which sessions an operator asks for, and which come first
//	readiness.go             whether this instance accepts clients, and health checks
//	operators_cursors.go     GET of named cursors, moving and removing them
//	minting.go               POST of tokens, for development
//	admin_guard.go           keeping pages in browsers from operating
//	shielding.go             headers that keep browsers from taking answers for something else
//	index.go                 the index of paths
//	methods.go               the methods of a path, redirects of unclean paths
//	unknown.go               what is asked for and not there
//	events.go                GET of event streams
//	handshake.go             GET /v1/ws
//	cursors.go               named cursors over HTTP
//	schemas.go               GET of schemas
//	pages.go                 GET of pages
//	logout.go                back-channel logout by issuers
//	caching.go               which pages caches may store
//	publishing.go            POST of records
//	lines.go                 POST of records, one a line
//	restproxy.go             POST of records by the interfaces of a REST proxy for Kafka
//	cloudevents.go           CloudEvents over HTTP, and pages of them
//	intake.go                publishing the records of a body while it arrives
//	intake_publish.go        publishing those that have arrived, and answering them
//	intake_read.go           reading on, and what ends that
//	intake_state.go          a body whose records are published while it arrives
//	bodies.go                reading bodies, compressed ones too
//	tickets.go               POST of tickets
//	cookie.go                setting and clearing the cookie
//	accepting.go             which dialect and content coding a client accepts
//	opening.go               creating and starting a session
//	admission.go             identifying and admitting the client of a request
//	revoking.go              putting revocations in force
//	principals.go            sessions by principal and by revocation
//
//	dialect_cloudevents.go   CloudEvents, in a response or over a WebSocket
//	dialect_events.go        the dialect of server-sent events
//	dialect_broadcast.go     NDJSON, and the conduct that sessions in a response share
//	dialect_messages.go      JSON over a WebSocket, one object or one write a message
//	dialect_conversation.go  the conduct that sessions over a WebSocket share
//
//	messages.go              reading messages from a WebSocket
//	inflating.go             decompressing them
//	requests.go              answering requests
//	replying.go              waiting for the replies to records
//	identity.go              authenticating and renewing
//	pausing.go               pausing and resuming subscriptions
//	reapproval.go            approving subscriptions again at a renewal
//	refresh.go               giving sessions the rights in force
//	acks.go                  acks of named cursors
//	groupacks.go             acks of several named cursors
//	subscriptions.go         subscribing, unsubscribing
//	following.go             adding streams to subscriptions by pattern
//	patterns.go              subscribing to all streams that match
//	claiming.go              taking named cursors, once nothing else can refuse
//	beginning.go             beginning the subscriptions of a session
//	subscribing.go           the start position and the rights of a subscription
//	taking.go                waiting for a subscription in a handler
//	publish.go               storing published messages, and the answers
//	quotas.go                what quotas refuse, hold back and leave
//
//	workers.go               Workers: the set of all workers
//	worker.go                a worker: running sessions in turn
//	lanes.go                 what waits for a worker, and whose turn it is
//	lag.go                   how long deliveries wait for a worker
//	wheel.go                 timer wheel: which sessions are due
//	step.go                  a step of a session: commands, events, writing
//	clock.go                 token expiry and other timed work
//	writing.go               writing a step's output to the connection
//	sealing.go               writing it over TLS
//	rewind.go                rewinding events that the connection did not accept
//	compressing.go           one compressed stream of shared and own bytes
//	reader.go                when the reader of a connection runs
//	grouping.go              streams join and leave a subscription by pattern
//	closing.go               how a session or a subscription ends
//	ending.go                why it ends
//	auditing.go              recording what sessions and subscriptions do
//	sending.go               sending messages and cursors
//	waiting.go               waiting for a session's end, for room in its inbox, or until it may publish
//	sessionset.go            the set of open sessions
//	follower.go              which subscriptions by pattern are to be brought up to date
//	group.go                 the streams and the cursor of a subscription by pattern
//	looking.go               looking at a session while it runs
//	session.go               a session, its subscriptions, its state
//	look.go                  what operators see of a session
//	audited.go               what is kept of a session for the audit
//	websocket.go             the connection as the WebSocket library sees it
//	declared.go              the declared sizes of incoming messages
//	pinged.go                the position that each ping acks
//	dialect.go               Dialect: how a session is encoded and framed
//
//	approval.go              asking about what the rights allow
//	reading.go               what a client asks to read, and where that starts
//	rights.go                the rights of a principal to a stream
//	filtering.go             the filters that clients ask for
//	asserted.go              what trusted proxies say about clients
//	expiry.go                ending requests when their token expires
//	carrier.go               the connection below TLS
//	conn_writer.go           writing to connections whose writes block
//	answer.go                write deadlines of answers
//	refusing.go              answering, logging and counting faults
//	challenge.go             the WWW-Authenticate headers of an answer
//	origins.go               why a page may not connect, or use a cookie
//	forwarded.go             addresses and schemes from proxy headers
//	server.go                Config, Server
//	pace.go                  when those who are refused should publish again
//	pending.go               requests that wait, by principal
//	administered.go          recording what operators do
//	auditor.go               recording what requests do
//	compression.go           Compression: what is compressed
//	metrics.go               metrics
//	metrics_streams.go       metrics of streams
//	refusals.go              why records are not stored, for metrics
//	arrivals.go              limits on how fast clients of an address arrive
//	clientmemory.go          the memory of pages that are being sent, and of windows
//	gate.go                  limits on the number of sessions, and publishes of a tenant
//	tenants.go               metrics of tenants
//	limits.go                Limits
//	faultlog.go              logging faults, within a bound
//	faults.go                errors of the domain as faults of the protocol
//	operator.go              who operates
//	tasks.go                 goroutines that Run waits for
//	protocol.go              the names of the transports in metrics
//	monotime.go              monotonic time
package transport
