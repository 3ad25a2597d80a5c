package transport

import (
	"net/http"

	"sluice/hub"
)

// Compression says what is compressed for clients that take it. What is
// compressed is so once for all subscribers of a stream; no connection has a
// compressor or a window of its own.
//
// The size of what is compressed tells something of what it holds to whoever
// can watch the (encrypted) connection. Where some may publish to a stream what
// they choose, and others' records in it are secret to them, switch it off.
type Compression struct {
	// EventStreams compresses server-sent events with gzip or zstd, by
	// Accept-Encoding (RFC 9110, section 12.5.3).
	EventStreams bool
	// WebSockets has permessage-deflate negotiated (RFC 7692).
	WebSockets bool
}

// coding is how an event stream is compressed.
type coding interface {
	hub.Codec
	// name is the content coding's (RFC 9110, section 8.4.1).
	name() string
	// appendHead appends what a stream begins with.
	appendHead(dst []byte) []byte
	// appendOwn appends what goes in front of n bytes, ownBytes at most, that
	// follow as they are.
	appendOwn(dst []byte, n int) []byte
	// appendFlush appends what has a client show such bytes at once.
	appendFlush(dst []byte) []byte
	// add adds bytes to the checksum of all that a stream has had, and join
	// those of a block.
	add(sum uint32, b []byte) uint32
	join(sum uint32, block uint64) uint32
	// appendTail appends what a stream ends with.
	appendTail(dst []byte, sum uint32, size uint64) []byte
}

// ownBytes is how many bytes can follow one header.
const ownBytes = 1<<16 - 1

// The codecs, by slot.
const (
	packGzipEvents = iota
	packZstdEvents
	packFrames
)

// codingFor chooses how to compress an event stream, nil for not at all: what
// the client likes best, and of equals what is first here. Which is gzip, as its
// blocks refer to each other.
func (s *Server) codingFor(h http.Header) coding {
	if !s.config.Compression.EventStreams {
		return nil
	}
	accepted := acceptedCodings(h)
	var best coding
	weight, plain := 0, accepted.coding("identity")
	for _, c := range []coding{gzipEvents{}, s.zstd} {
		if w := accepted.coding(c.name()); w > weight && w >= plain {
			best, weight = c, w
		}
	}
	return best
}

// acceptedCodings are the weights of the codings that a client takes.
func acceptedCodings(h http.Header) weights {
	accepted := weightsOf(h, "Accept-Encoding")
	if weight, ok := accepted["x-gzip"]; ok {
		accepted["gzip"] = max(weight, accepted["gzip"]) // RFC 9110, section 8.4.1.3
	}
	return accepted
}
