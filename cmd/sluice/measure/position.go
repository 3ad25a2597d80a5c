package measure

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// maxCursor is the server's default for cursor_bytes.
const maxCursor = 4 << 10

// position is where a client goes on after it has lost its connection: the server's last cursor,
// and what has come since. Only the goroutine of the client uses it.
type position struct {
	// several is set for a pattern, in whose cursors partitions name their streams.
	several bool
	cursor  string
	// marks has all partitions, by their names in a cursor.
	marks map[string]*mark
	name  []byte // space for a name
}

// mark is the offset after the last record of a partition. It is ahead if it has moved since the
// cursor.
type mark struct {
	next  int64
	ahead bool
}

// at takes a cursor of the server, which is after everything that came before it.
func (p *position) at(cursor string) {
	if cursor == "" {
		return
	}
	p.cursor = cursor
	for _, m := range p.marks {
		m.ahead = false
	}
}

// event moves the position over a record, and reports whether it is new. One whose place cannot be
// read counts as new.
func (p *position) event(message []byte) bool {
	partition, ok := between(message, partitionName, ',')
	offset, isNumber := number(message, offsetName)
	if !ok || !isNumber {
		return true
	}
	var stream []byte
	if p.several {
		stream, _ = between(message, streamName, '"')
	}
	return p.pass(p.place(stream, partition), offset+1)
}

// place returns the name of a partition in a cursor, until the next call.
func (p *position) place(stream, partition []byte) []byte {
	if !p.several {
		return partition
	}
	p.name = append(append(append(p.name[:0], stream...), '/'), partition...)
	return p.name
}

// pass moves a partition up to an offset, and reports whether that is ahead of where it was.
func (p *position) pass(place []byte, to int64) bool {
	m := p.marks[string(place)]
	if m == nil {
		m = p.mark(string(place))
	}
	if to <= m.next {
		return false
	}
	m.next, m.ahead = to, true
	return true
}

func (p *position) mark(place string) *mark {
	if p.marks == nil {
		p.marks = map[string]*mark{}
	}
	m := &mark{}
	p.marks[place] = m
	return m
}

// gap moves the position over a gap. Where offsets are used again, only the server's next cursor can
// tell them apart.
func (p *position) gap(g gapMessage) {
	place := string(p.place([]byte(g.Stream), strconv.AppendInt(nil, g.Partition, 10)))
	switch g.Reason {
	case "log_changed":
		delete(p.marks, place)
	case "truncated":
		p.mark(place).next = g.From
	default:
		p.pass([]byte(place), g.To)
	}
}

// text returns the position for a request, "" if there is none yet. Without what does not fit, the
// server repeats records.
func (p *position) text() string {
	var ahead []string
	for place, m := range p.marks {
		if m.ahead {
			ahead = append(ahead, place+":"+strconv.FormatInt(m.next, 10))
		}
	}
	if p.cursor == "" || len(ahead) == 0 {
		return p.cursor
	}
	slices.Sort(ahead)
	if text := p.cursor + "~" + strings.Join(ahead, ","); len(text) <= maxCursor {
		return text
	}
	return p.cursor
}

var (
	streamName    = []byte(`"stream":"`)
	partitionName = []byte(`"partition":`)
	offsetName    = []byte(`"offset":`)
)

// between returns what is between a name and a character. No text of others comes before the members
// of an event that are read by this, but the name of the stream.
func between(event, name []byte, end byte) ([]byte, bool) {
	i := bytes.Index(event, name)
	if i < 0 {
		return nil, false
	}
	text := event[i+len(name):]
	i = bytes.IndexByte(text, end)
	if i < 0 {
		return nil, false
	}
	return text[:i], true
}

// number returns the number of a member, which others follow.
func number(event, name []byte) (int64, bool) {
	text, ok := between(event, name, ',')
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil
}
