package measure

import (
	"bytes"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// headerName is the header of records that a run publishes: RUN-NUMBER-DUE, with the time in
// Unix nanoseconds.
const headerName = "bench"

var (
	eventPrefix = []byte(`{"type":"event",`)
	tsName      = []byte(`"ts":`)
)

// stampText returns the value of the header.
func stampText(run string, number, due int64) string {
	return run + "-" + strconv.FormatInt(number, 10) + "-" + strconv.FormatInt(due, 10)
}

// stampBegin returns how the stamps of a run begin in an event. No text of others has it, as its
// quotes are not escaped, but the value, which comes after the headers.
func stampBegin(run string) []byte { return []byte(`"` + headerName + `","` + run + "-") }

// findStamp finds the stamp of a run in an event, by its begin. Nothing of an event is parsed that
// need not be, because the bench may share the machine with the server.
func findStamp(event, begin []byte) (number, due int64, ok bool) {
	i := bytes.Index(event, begin)
	if i < 0 {
		return 0, 0, false
	}
	text := event[i+len(begin):]
	end := bytes.IndexByte(text, '"')
	if end < 0 {
		return 0, 0, false
	}
	first, second, ok := bytes.Cut(text[:end], []byte("-"))
	if !ok {
		return 0, 0, false
	}
	number, err := strconv.ParseInt(string(first), 10, 64)
	due, err2 := strconv.ParseInt(string(second), 10, 64)
	return number, due, err == nil && err2 == nil && number >= 0
}

// findTime returns the time of a record in Unix milliseconds. The members before it have no
// text of others but the name of the stream.
func findTime(event []byte) (ms int64, ok bool) {
	i := bytes.Index(event, tsName)
	if i < 0 {
		return 0, false
	}
	text := event[i+len(tsName):]
	end := bytes.IndexAny(text, ",}")
	if end < 0 {
		return 0, false
	}
	ms, err := strconv.ParseInt(string(text[:end]), 10, 64)
	return ms, err == nil
}

// kind is what a message is, of those that count.
type kind int

const (
	other kind = iota
	event
	gap
	begun // the subscription has begun
	fault
	drain // the client is asked to reconnect
	welcome
)

// kindOf returns what a message is, and the code of a fault.
func kindOf(message []byte) (k kind, code string) {
	if bytes.HasPrefix(message, eventPrefix) {
		return event, ""
	}
	switch gjson.GetBytes(message, "type").Str {
	case "event":
		return event, ""
	case "gap":
		return gap, ""
	case "subscribed", "ready":
		return begun, ""
	case "drain":
		return drain, ""
	case "welcome":
		return welcome, ""
	case "error", "closing", "unsubscribed":
		for _, name := range []string{"code", "reason"} {
			if code = gjson.GetBytes(message, name).Str; code != "" {
				return fault, code
			}
		}
		return fault, "error"
	}
	return other, ""
}

// gapMessage is a gap.
type gapMessage struct {
	Stream, Reason      string
	Partition, From, To int64
}

func gapOf(message []byte) gapMessage {
	all := gjson.GetManyBytes(message, "stream", "reason", "partition", "from", "to")
	return gapMessage{Stream: all[0].Str, Reason: all[1].Str, Partition: all[2].Int(), From: all[3].Int(), To: all[4].Int()}
}

// cursorOf returns the cursor of a message, "" for none.
func cursorOf(message []byte) string {
	if cursor := gjson.GetBytes(message, "cursor").Str; cursor != "" {
		return cursor
	}
	return gjson.GetBytes(message, "cursors."+subscriptionID).Str
}

// reconnectIn returns when the server wants the client to reconnect.
func reconnectIn(message []byte) time.Duration {
	return time.Duration(gjson.GetBytes(message, "reconnect_ms").Int()) * time.Millisecond
}

const (
	// silence is after how long without a byte the server counts as gone, longer than between two of its
	// heartbeats; pingSlack is added to two of its pings.
	silence   = time.Minute
	pingSlack = 10 * time.Second
)

// silenceOf returns how long a server may be silent, by its welcome.
func silenceOf(message []byte) time.Duration {
	ping := time.Duration(gjson.GetBytes(message, "ping_ms").Int()) * time.Millisecond
	return max(silence, 2*ping+pingSlack)
}
