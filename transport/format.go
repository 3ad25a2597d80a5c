package transport

import (
	"sluice/hub/event"
	"sluice/transport/wire"
)

// The wire formats, each laid out once for all subscribers that use it.
const (
	slotFrames = iota
	slotEvents
	slotLines
)

// format is how a session has its events laid out.
func (s *session) format() event.Format {
	switch {
	case s.kind == kindEvents:
		return eventsFormat{}
	case s.kind == kindLines, s.ws.lines:
		return linesFormat{}
	default:
		return framesFormat{}
	}
}

// framesFormat is WebSocket: a text frame an event.
type framesFormat struct{}

func (framesFormat) Slot() int { return slotFrames }

func (framesFormat) AppendEvent(dst, body []byte) []byte {
	return wire.AppendFrame(dst, wire.OpText, body)
}

func (framesFormat) AppendGap(dst, body []byte) []byte {
	return wire.AppendFrame(dst, wire.OpText, body)
}

// eventsFormat is SSE. The last event of a write gets its id when it is
// written, in place of its last line end.
type eventsFormat struct{}

func (eventsFormat) Slot() int { return slotEvents }

func (eventsFormat) AppendEvent(dst, body []byte) []byte { return wire.AppendSSE(dst, body, "") }

func (eventsFormat) AppendGap(dst, body []byte) []byte {
	return wire.AppendNamedSSE(dst, wire.EventGap, "", body)
}

// linesFormat is NDJSON.
type linesFormat struct{}

func (linesFormat) Slot() int { return slotLines }

func (linesFormat) AppendEvent(dst, body []byte) []byte { return append(append(dst, body...), '\n') }

func (linesFormat) AppendGap(dst, body []byte) []byte { return append(append(dst, body...), '\n') }

var (
	_ event.Format = framesFormat{}
	_ event.Format = eventsFormat{}
	_ event.Format = linesFormat{}
)
