// Package compress implements the codecs of package hub, which compress in blocks
// what subscribers are sent, once for all of them; and it inflates messages and
// bodies that clients compress. No connection has a compressor or a window of its own.
//
// # Files
//
// A file uses the files listed after it.
//
//	bodystream.go  bodies of clients' requests, while they arrive
//	bodies.go      bodies of clients' requests, as a whole
//	inflate.go     messages of clients
//	frames.go      WebSocket: permessage-deflate, and its negotiation
//	gzip.go        server-sent events: gzip of shared blocks and of a client's own bytes
//	crc.go         the checksum of joined blocks
package compress

// The slots of the codecs.
const (
	slotGzip = iota
	slotFrames
)
