package wire

import "sluice/hub/event"

// LinesType is the media type of NDJSON.
const LinesType = "application/x-ndjson"

// The slots of the formats. Each event is encoded once per format for all
// subscribers that use it.
const (
	slotFrames = iota
	slotEvents
	slotLines
	// FormatSlots is how many there are. Packages with other formats have the slots behind
	// them.
	FormatSlots
)

// Frames is the format of WebSockets: one text frame per event.
type Frames struct{}

// Slot implements event.Format.
func (Frames) Slot() int { return slotFrames }

// AppendEvent implements event.Format.
func (Frames) AppendEvent(dst, body []byte) []byte { return AppendFrame(dst, OpText, body) }

// AppendGap implements event.Format.
func (Frames) AppendGap(dst, body []byte) []byte { return AppendFrame(dst, OpText, body) }

// Events is the format of server-sent events. When events are written, the last
// one gets its id, in place of its last line end.
type Events struct{}

// Slot implements event.Format.
func (Events) Slot() int { return slotEvents }

// AppendEvent implements event.Format.
func (Events) AppendEvent(dst, body []byte) []byte { return AppendSSE(dst, body, "") }

// AppendGap implements event.Format.
func (Events) AppendGap(dst, body []byte) []byte { return AppendNamedSSE(dst, EventGap, "", body) }

// Lines is the format of NDJSON, and of WebSocket messages with several events:
// one line per event.
type Lines struct{}

// Slot implements event.Format.
func (Lines) Slot() int { return slotLines }

// AppendEvent implements event.Format.
func (Lines) AppendEvent(dst, body []byte) []byte { return append(append(dst, body...), '\n') }

// AppendGap implements event.Format.
func (Lines) AppendGap(dst, body []byte) []byte { return append(append(dst, body...), '\n') }

var (
	_ event.Format = Frames{}
	_ event.Format = Events{}
	_ event.Format = Lines{}
)
