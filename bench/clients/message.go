package e2e_test

import (
	"unsafe"

	"github.com/tidwall/gjson"

	"sluice/bench/check"
)

// message is what the server sends, read in one pass. Its texts are valid as
// long as the bytes that it was read from.
type message struct {
	kind      string
	id        string
	stream    string
	partition int32
	offset    int64
	key       []byte
	data      string
	cursor    string
	code      string
	reason    string
	from, to  int64
	live      bool
	retryable bool
}

func parse(text []byte) (message, bool) {
	var m message
	// Two hundred subscribers parse millions of events: no copies.
	all := gjson.Parse(unsafe.String(unsafe.SliceData(text), len(text)))
	all.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "type":
			m.kind = value.Str
		case "id":
			m.id = value.Str
		case "stream":
			m.stream = value.Str
		case "partition":
			m.partition = int32(value.Int())
		case "offset":
			m.offset = value.Int()
		case "key":
			if value.Type == gjson.String {
				m.key = []byte(value.Str)
			}
		case "data":
			m.data = value.Raw
		case "cursor":
			m.cursor = value.Str
		case "code":
			m.code = value.Str
		case "reason":
			m.reason = value.Str
		case "from":
			m.from = value.Int()
		case "to":
			m.to = value.Int()
		case "live":
			m.live = value.Bool()
		case "retryable":
			m.retryable = value.Bool()
		}
		return true
	})
	return m, all.IsObject() && m.kind != ""
}

// entry is an event's record in short.
func (m *message) entry() check.Entry {
	return check.Entry{Offset: m.offset, Sum: check.Sum(m.key, unsafe.Slice(unsafe.StringData(m.data), len(m.data)))}
}
