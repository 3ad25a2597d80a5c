// Package compress has what subscribers are sent compressed once for all of them,
// in blocks, as the codecs of package hub; and inflates what clients compress. No
// connection has a compressor or a window of its own.
//
// # Files
//
// A file uses those behind it.
//
//	inflate.go  messages of clients
//	frames.go   WebSockets: permessage-deflate, and agreeing on it
//	gzip.go     server-sent events: gzip, of blocks and what is a client's own
//	crc.go      the checksum of joined blocks
package compress

// The slots of the codecs.
const (
	slotGzip = iota
	slotFrames
)
