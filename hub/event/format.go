package event

// Format adds around an event what one wire format requires. All subscribers that
// use a format share the bytes, so a Format must depend only on its arguments.
type Format interface {
	// Slot is the format's number: below FormatSlots, fixed, and different for
	// each format.
	Slot() int
	// AppendEvent appends an event with the given JSON text to dst.
	AppendEvent(dst, body []byte) []byte
	// AppendGap appends a gap event with the given JSON text to dst.
	AppendGap(dst, body []byte) []byte
}

// FormatSlots is the maximum number of formats.
const FormatSlots = 6
