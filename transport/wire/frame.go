package wire

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Opcode is the kind of a WebSocket frame (RFC 6455, section 5.2).
type Opcode byte

// The opcodes that the server sends.
const (
	OpText   Opcode = 0x1
	OpBinary Opcode = 0x2
	OpClose  Opcode = 0x8
	OpPing   Opcode = 0x9
	OpPong   Opcode = 0xA
)

const (
	// MaxFrameHeader is the maximum number of bytes that AppendFrameHeader
	// appends: a server does not mask.
	MaxFrameHeader = 10
	// MaxControlPayload is the maximum payload of a control frame (section 5.5).
	MaxControlPayload = 125
	// MaxCloseReason is what a close frame has room for after the close code.
	MaxCloseReason = MaxControlPayload - 2

	finBit   = 0x80
	rsv1Bit  = 0x40
	maskBit  = 0x80
	maskSize = 4
)

// AppendFrameHeader appends the header of an unmasked, unfragmented frame with n
// bytes of payload, in the shortest form, as section 5.2 requires.
func AppendFrameHeader(dst []byte, op Opcode, n int) []byte {
	dst = append(dst, finBit|byte(op))
	switch {
	case n <= 125:
		return append(dst, byte(n))
	case n <= 0xFFFF:
		dst = append(dst, 126)
		return binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 127)
		return binary.BigEndian.AppendUint64(dst, uint64(n))
	}
}

// AppendDeflatedHeader appends the header of a frame whose payload is a message
// of permessage-deflate (RFC 7692, section 6).
func AppendDeflatedHeader(dst []byte, op Opcode, n int) []byte {
	start := len(dst)
	dst = AppendFrameHeader(dst, op, n)
	dst[start] |= rsv1Bit
	return dst
}

// TakeDeflated reports whether a client's frame begins a message of
// permessage-deflate. If so, it makes the header look like that of any other
// message.
func TakeDeflated(head []byte) bool {
	op := Opcode(head[0] &^ (finBit | rsv1Bit))
	if head[0]&rsv1Bit == 0 || op != OpText && op != OpBinary {
		return false
	}
	head[0] &^= rsv1Bit
	return true
}

// AppendFrame appends a complete text or binary frame.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	dst = AppendFrameHeader(dst, op, len(payload))
	return append(dst, payload...)
}

// AppendControl appends a ping or pong frame. A payload over MaxControlPayload,
// which no valid ping can have, is cut.
func AppendControl(dst []byte, op Opcode, payload []byte) []byte {
	return AppendFrame(dst, op, payload[:min(len(payload), MaxControlPayload)])
}

// AppendClose appends a close frame. A reason over MaxCloseReason is cut between
// characters. A code that must not be sent (section 7.4) is replaced by 1011, as
// a peer would otherwise drop the connection without a code.
func AppendClose(dst []byte, code int, reason string) []byte {
	if !sendable(code) {
		code = Internal.Info().Close
	}
	reason = cutText(strings.ToValidUTF8(reason, "\uFFFD"), MaxCloseReason)
	dst = AppendFrameHeader(dst, OpClose, 2+len(reason))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

// sendable reports whether a close frame may carry the code: codes that RFC 6455
// and the IANA registry define for close frames, and codes for applications.
func sendable(code int) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code == 1004 || code == 1005 || code == 1006:
		return false
	}
	return code >= 1000 && code <= 1014
}

// cutText cuts valid UTF-8 to at most n bytes, between characters.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// ControlHead is the number of bytes that ControlSize needs.
const ControlHead = 2

// ControlSize returns, from the beginning of a client's frame, the size of the
// frame if it is a ping or pong that conforms to section 5.5, and 0 for all other
// frames.
func ControlSize(head []byte) int {
	size := int(head[1] &^ maskBit)
	switch Opcode(head[0] &^ finBit) {
	case OpPing, OpPong:
	default:
		return 0
	}
	if head[0]&finBit == 0 || head[1]&maskBit == 0 || size > MaxControlPayload {
		return 0
	}
	return ControlHead + maskSize + size
}

// ParseControl returns the opcode and the unmasked payload of a frame of
// ControlSize bytes. The frame is not changed, and not kept.
func ParseControl(frame []byte) (Opcode, []byte) {
	mask := frame[ControlHead : ControlHead+maskSize]
	payload := bytes.Clone(frame[ControlHead+maskSize:])
	for i := range payload {
		payload[i] ^= mask[i%maskSize]
	}
	return Opcode(frame[0] &^ finBit), payload
}
