package transport

import (
	"net/http"

	"sluice/transport/compress"
)

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

// takesGzip reports whether an event stream is to be compressed for a client:
// where it accepts gzip, and likes it no less than what is not compressed.
func (s *Server) takesGzip(h http.Header) bool {
	if !s.config.Compression.EventStreams {
		return false
	}
	accepted := acceptedCodings(h)
	gzip := accepted.coding(codingGzip)
	return gzip > 0 && gzip >= accepted.coding("identity")
}

// codingGzip is the name of the content coding (RFC 9110, section 8.4.1.3).
const codingGzip = "gzip"

// deflateFor agrees with a client on permessage-deflate, for a dialect whose
// events can be shared compressed.
func (s *Server) deflateFor(h http.Header, d dialect) (terms compress.Terms, ok bool) {
	if !s.config.Compression.WebSockets || d.codec() == nil {
		return compress.Terms{}, false
	}
	return compress.Agree(h)
}

// acceptedCodings are the weights of the codings that a client takes.
func acceptedCodings(h http.Header) weights {
	accepted := weightsOf(h, "Accept-Encoding")
	if weight, ok := accepted["x-gzip"]; ok {
		accepted[codingGzip] = max(weight, accepted[codingGzip]) // RFC 9110, section 8.4.1.3
	}
	return accepted
}
