package wire

import (
	"bytes"
	"strconv"
	"time"
)

// EventName is the name of a server-sent event that is not a record. None is
// `error`, which EventSource uses itself.
type EventName string

// The named events.
//
//nolint:gosec // names of events, not credentials
const (
	EventReady         EventName = "sluice.ready"
	EventCursor        EventName = "sluice.cursor"
	EventCaughtUp      EventName = "sluice.caught_up"
	EventGap           EventName = "sluice.gap"
	EventStreams       EventName = "sluice.streams"
	EventStatus        EventName = "sluice.status"
	EventTokenExpiring EventName = "sluice.token_expiring"
	EventClose         EventName = "sluice.close"
)

// LastEventIDEnd is the id of the last event of a stream to which reconnecting
// makes no sense. A request that has it as Last-Event-ID is answered with 204,
// which stops an EventSource.
const LastEventIDEnd = "end"

// AppendSSE appends an unnamed event whose data is one line of JSON, with an id
// unless that is empty, in the format of the HTML standard (section 9.2.5). CR,
// LF and NUL, which no message contains, would end the field or void the id: they
// are replaced by spaces.
func AppendSSE(dst, line []byte, id string) []byte {
	dst = appendField(dst, "data: ", line)
	if id != "" {
		dst = appendField(dst, "id: ", id)
	}
	return append(dst, '\n')
}

// AppendNamedSSE appends a named event, with an id unless that is empty.
func AppendNamedSSE(dst []byte, name EventName, id string, line []byte) []byte {
	dst = appendField(dst, "event: ", string(name))
	if id != "" {
		dst = appendField(dst, "id: ", id)
	}
	dst = appendField(dst, "data: ", line)
	return append(dst, '\n')
}

// AppendSSEID appends an id and the end of its event.
func AppendSSEID(dst []byte, id string) []byte {
	return append(appendField(dst, "id: ", id), '\n')
}

// AppendForgettingSSE appends a named event with an empty id: an EventSource that
// reconnects then sends no Last-Event-ID.
func AppendForgettingSSE(dst []byte, name EventName, line []byte) []byte {
	dst = appendField(dst, "event: ", string(name))
	dst = append(dst, "id:\n"...)
	dst = appendField(dst, "data: ", line)
	return append(dst, '\n')
}

// AppendRetry appends the field that tells a browser after how long to reconnect,
// rounded up to milliseconds. It belongs to the event that is appended next.
func AppendRetry(dst []byte, after time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, int64(max(0, (after+time.Millisecond-1)/time.Millisecond)), 10)
	return append(dst, '\n')
}

func appendField[T string | []byte](dst []byte, name string, value T) []byte {
	dst = append(dst, name...)
	start := len(dst)
	dst = append(dst, value...)
	field := dst[start:]
	for _, c := range [...]byte{'\n', '\r', 0} {
		for rest := field; ; {
			i := bytes.IndexByte(rest, c)
			if i < 0 {
				break
			}
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
	return append(dst, '\n')
}

// longCursor is the length above which a cursor is not written with every event.
const longCursor = 256

// ShortID reports whether a cursor is short enough to be the id of every event.
func ShortID(cursor string) bool { return len(cursor) <= longCursor }
