package transport

import (
	"encoding/binary"
	"errors"
)

// errDeclaredTooLarge ends the reading from a client that begins a message whose
// frame headers declare more than the limit.
var errDeclaredTooLarge = errors.New("the declared size of the message is too large")

// The layout of a frame's header (RFC 6455, section 5.2).
const (
	shortHeader  = 2
	lengthTwo    = 126 // the length is in the next two bytes
	lengthEight  = 127 // in the next eight
	maskKey      = 4
	longestHead  = shortHeader + 8 + maskKey
	finalFrame   = 0x80
	maskedFrame  = 0x80
	controlFrame = 0x08
)

// frameHeaders follows the headers of a client's frames in the bytes of its
// connection, and finds the header that makes a message too large before any of the
// frame's payload has arrived. Violations of the protocol are left to the library.
//
// Owned by the reader.
type frameHeaders struct {
	most    int64 // limit of a message in bytes, 0 for no limit
	head    [longestHead]byte
	have    int   // bytes in head
	payload int64 // bytes of the current frame still to come
	message int64 // bytes of the current message, in frames that have begun
	lost    bool  // the frames can no longer be followed
}

// follow processes the next bytes. It returns how many of them precede the header
// that makes a message too large, and whether there is such a header.
func (f *frameHeaders) follow(p []byte) (before int, tooLarge bool) {
	if f.most <= 0 {
		return len(p), false
	}
	for i := 0; i < len(p) && !f.lost; {
		if f.payload > 0 {
			n := min(f.payload, int64(len(p)-i))
			f.payload -= n
			i += int(n)
			continue
		}
		began := max(0, i-f.have)
		n := copy(f.head[f.have:f.size()], p[i:])
		f.have += n
		i += n
		if f.have < f.size() {
			continue
		}
		if f.begin(); f.message > f.most {
			return began, true
		}
	}
	return len(p), false
}

// size returns the length of the current header, as far as it is known.
func (f *frameHeaders) size() int {
	if f.have < shortHeader {
		return shortHeader
	}
	size := shortHeader
	switch f.head[1] &^ maskedFrame {
	case lengthTwo:
		size += 2
	case lengthEight:
		size += 8
	}
	if f.head[1]&maskedFrame != 0 {
		size += maskKey
	}
	return size
}

// begin processes a complete frame header.
func (f *frameHeaders) begin() {
	length := int64(f.head[1] &^ maskedFrame)
	switch length {
	case lengthTwo:
		length = int64(binary.BigEndian.Uint16(f.head[shortHeader:]))
	case lengthEight:
		length = int64(binary.BigEndian.Uint64(f.head[shortHeader:]))
	}
	f.have, f.payload = 0, length
	if length < 0 {
		f.lost = true
		return
	}
	const opcode = 0x0F
	switch op := f.head[0] & opcode; {
	case op&controlFrame != 0: // between the frames of a message
		return
	case op != 0:
		f.message = 0
	}
	if f.message += length; f.message < 0 {
		f.message = f.most + 1
	}
	if f.head[0]&finalFrame != 0 && f.message <= f.most {
		f.message = 0
	}
}
