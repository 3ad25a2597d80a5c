package transport

// Compression says what is compressed for clients that take it. What is
// compressed is so once for all subscribers of a stream; no connection has a
// compressor or a window of its own.
//
// The size of what is compressed tells something of what it holds to whoever
// can watch the (encrypted) connection. Where some may publish to a stream what
// they choose, and others' records in it are secret to them, switch it off.
type Compression struct {
	// EventStreams compresses server-sent events with gzip (RFC 1952), by
	// Accept-Encoding (RFC 9110, section 12.5.3).
	EventStreams bool
	// WebSockets has permessage-deflate negotiated (RFC 7692).
	WebSockets bool
}
