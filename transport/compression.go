package transport

// Compression configures what is compressed for clients that accept it. Data is
// compressed once for all subscribers of a stream; no connection has a compressor or
// a window of its own.
//
// The size of compressed data reveals something about its content to anyone who can
// observe the (encrypted) connection. Disable compression for streams to which some
// clients may publish what they choose, while the records of others are secret to
// them.
type Compression struct {
	// EventStreams compresses event streams with gzip (RFC 1952), according to
	// Accept-Encoding (RFC 9110, section 12.5.3).
	EventStreams bool
	// WebSockets enables the negotiation of permessage-deflate (RFC 7692).
	WebSockets bool
}
