package hub

import (
	"sync/atomic"
	"time"

	"sluice/hub/record"
)

// mark is an index of a log and the position that belongs to it. All subscriptions
// at that index share the mark and the text of its cursor.
type mark struct {
	index uint64
	at    record.Position
	made  time.Time
	text  atomic.Pointer[string]
}

// cursor returns the text of the cursor at the mark.
func (m *mark) cursor(stream string) string {
	if text := m.text.Load(); text != nil {
		return *text
	}
	text := record.Cursor{At: m.made, Streams: []record.StreamPosition{{Stream: stream, Position: m.at}}}.String()
	m.text.Store(&text)
	return text
}
