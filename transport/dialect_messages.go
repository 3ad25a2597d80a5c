package transport

import (
	"sluice/hub"
	"sluice/hub/event"
	"sluice/transport/compress"
	"sluice/transport/wire"
)

// The subprotocols that clients offer. If a client offers both, lines is chosen, as
// any client can have the other one.
const (
	// subprotocolJSON is also used when the client offers none: a message is one
	// JSON object.
	subprotocolJSON = "sluice.v1.json"
	// subprotocolLines puts the events of one write into one message, one object per
	// line.
	subprotocolLines = "sluice.v1.lines"
)

// jsonMessages is JSON over a WebSocket, one object per message.
type jsonMessages struct{ conversation }

func (jsonMessages) name() string         { return subprotocolJSON }
func (jsonMessages) format() event.Format { return wire.Frames{} }
func (jsonMessages) codec() hub.Codec     { return compress.Frames{} }

func (jsonMessages) appendHead(dst []byte, _ int) []byte { return dst }

func (jsonMessages) decode(message []byte, limits wire.Limits) (wire.Request, *wire.Error) {
	return wire.ParseRequest(message, limits)
}

func (jsonMessages) encode(dst, spare []byte, m wire.Message) (encoded, used []byte) {
	spare = m.Append(spare)
	return wire.AppendFrame(dst, wire.OpText, spare), spare
}

func (jsonMessages) encodeClosing(dst []byte, m *wire.Closing, closeCode int, reason string) []byte {
	m.Close = closeCode
	dst = wire.AppendFrame(dst, wire.OpText, m.Append(nil))
	return wire.AppendClose(dst, closeCode, reason)
}

// jsonLines is jsonMessages, except that the events of a write are the lines of one
// message. Its length depends on the write, so there is nothing that sessions could
// share compressed.
type jsonLines struct{ jsonMessages }

func (jsonLines) name() string         { return subprotocolLines }
func (jsonLines) format() event.Format { return wire.Lines{} }
func (jsonLines) codec() hub.Codec     { return nil }

func (jsonLines) appendHead(dst []byte, size int) []byte {
	return wire.AppendFrameHeader(dst, wire.OpText, size)
}
