package hub

import (
	"encoding/json"
	"strconv"

	"sluice/hub/record"
)

// gapPrefix is what every gap event begins with.
const gapPrefix = `{"type":"gap",`

// gapWriter writes the gap events of a stream.
type gapWriter struct{ head []byte }

func newGapWriter(stream string) gapWriter {
	name, err := json.Marshal(stream)
	if err != nil {
		panic("hub: a string cannot be marshalled: " + err.Error())
	}
	return gapWriter{head: append([]byte(gapPrefix+`"stream":`), name...)}
}

// append appends the JSON text of a gap event.
func (w gapWriter) append(dst []byte, g record.Gap) []byte {
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
