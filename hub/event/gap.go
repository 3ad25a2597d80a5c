package event

import (
	"encoding/json"
	"strconv"

	"sluice/hub/record"
)

// GapPrefix is the beginning of every gap event.
const GapPrefix = `{"type":"gap",`

// GapWriter encodes the gap events of a stream. It is immutable and safe for
// concurrent use.
type GapWriter struct{ head []byte }

// NewGapWriter returns a writer for the stream with the given public name.
func NewGapWriter(stream string) GapWriter {
	name, err := json.Marshal(stream)
	if err != nil {
		panic("event: a string cannot be marshalled: " + err.Error())
	}
	return GapWriter{head: append([]byte(GapPrefix+`"stream":`), name...)}
}

// Append appends the JSON text of a gap event.
func (w GapWriter) Append(dst []byte, g record.Gap) []byte {
	dst = append(dst, w.head...)
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(g.Partition), 10)
	dst = append(dst, `,"from":`...)
	dst = strconv.AppendInt(dst, g.From, 10)
	dst = append(dst, `,"to":`...)
	dst = strconv.AppendInt(dst, g.To, 10)
	dst = append(dst, `,"reason":"`...)
	dst = append(dst, g.Reason...)
	return append(dst, `"}`...)
}
