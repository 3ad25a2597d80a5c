// Package compress has what subscribers are sent compressed once for all of them,
// in blocks, as the codecs of package hub; and inflates what clients compress. No
// connection has a compressor or a window of its own.
//
//	gzip.go     server-sent events: gzip, of blocks and what is a client's own
//	crc.go      the checksum of joined blocks
//	frames.go   WebSockets: permessage-deflate, and agreeing on it
//	inflate.go  messages of clients
package compress

// The slots of the codecs.
const (
	slotGzip = iota
	slotFrames
)
