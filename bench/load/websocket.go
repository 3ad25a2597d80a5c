package main

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// maxFrame bounds the size of an incomplete frame that a client keeps.
const maxFrame = 8 << 20

var (
	errFrameTooLarge = errors.New("frame too large")
	errFrameMasked   = errors.New("masked frame from a server")
	errFragmented    = errors.New("fragmented message")
)

// nextFrame splits the first complete frame off b. used is 0 if the frame is
// incomplete.
func nextFrame(b []byte) (op byte, payload []byte, used int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	op = b[0] & 0x0f
	if b[0]&0x80 == 0 || op == 0 {
		return 0, nil, 0, errFragmented
	}
	if b[1]&0x80 != 0 {
		return 0, nil, 0, errFrameMasked
	}
	head, size := 2, uint64(b[1])
	switch size {
	case 126:
		head = 4
		if len(b) < head {
			return 0, nil, 0, nil
		}
		size = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		head = 10
		if len(b) < head {
			return 0, nil, 0, nil
		}
		size = binary.BigEndian.Uint64(b[2:])
	}
	if size > maxFrame {
		return 0, nil, 0, fmt.Errorf("%w: %d bytes", errFrameTooLarge, size)
	}
	end := head + int(size)
	if len(b) < end {
		return 0, nil, 0, nil
	}
	return op, b[head:end], end, nil
}

// appendFrame appends a client's frame. The mask is zero, which is sufficient
// between two processes of one machine and leaves the payload unchanged.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}

// closeReason describes a close frame.
func closeReason(payload []byte) string {
	if len(payload) < 2 {
		return "closed without a code"
	}
	return fmt.Sprintf("closed %d %s", binary.BigEndian.Uint16(payload), payload[2:])
}
