package event

// Format lays out what one wire format adds around an event. All subscribers
// that use a format share the bytes, so a Format must depend on nothing but its
// arguments.
type Format interface {
	// Slot tells the formats apart: a number below FormatSlots, fixed for each.
	Slot() int
	// AppendEvent appends an event, whose JSON text is given, to dst.
	AppendEvent(dst, body []byte) []byte
	// AppendGap appends a gap event, whose JSON text is given, to dst.
	AppendGap(dst, body []byte) []byte
}

// FormatSlots is how many formats there can be.
const FormatSlots = 4
