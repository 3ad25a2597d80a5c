package transport

import (
	"encoding/binary"
	"errors"
)

// errDeclaredTooLarge ends the reading from a client that begins a message which
// is larger than it may be, as the headers of its frames say.
var errDeclaredTooLarge = errors.New("the message is declared too large")

// A frame's header, as RFC 6455 has it (section 5.2).
const (
	shortHeader  = 2
	lengthTwo    = 126 // the length is in the two bytes behind
	lengthEight  = 127 // in eight
	maskKey      = 4
	longestHead  = shortHeader + 8 + maskKey
	finalFrame   = 0x80
	maskedFrame  = 0x80
	controlFrame = 0x08
)

// frameHeaders follows the headers of a client's frames in the bytes of its
// connection, and finds the one that makes a message too large before anything
// of its payload has come. What breaks the protocol is the library's to refuse.
//
// Owned by the reader.
type frameHeaders struct {
	most    int64 // bytes of a message, 0 for no bound
	head    [longestHead]byte
	have    int   // of the header at hand
	payload int64 // still to come of the frame at hand
	message int64 // of the message at hand, in frames that have begun
	lost    bool  // it cannot be followed any more
}

// follow takes the next bytes. It gives how many of them stand in front of the
// header that makes a message too large, and whether there is one.
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

// size is how long the header at hand is, as far as can be told.
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

// begin takes note of a frame whose header is there.
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
