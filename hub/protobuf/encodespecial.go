package protobuf

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"sluice/hub/jsonscan"
)

// emptyName is the message that some write with a value in an Any, and some without.
const emptyName = "google.protobuf.Empty"

// isEmpty reports whether a document begins with an object without members.
func isEmpty(document []byte) bool {
	if document[0] != '{' {
		return false
	}
	_, _, has := jsonscan.NextMember(document, 1)
	return !has
}

// special encodes a message that the JSON mapping does not write as its fields.
func (e *encoder) special(m *message, at, depth int) int {
	switch m.special {
	case specialAny:
		return e.any(at, depth)
	case specialTimestamp:
		return e.timestamp(m, at)
	case specialDuration:
		return e.duration(m, at)
	case specialFieldMask:
		return e.mask(m, at)
	case specialStruct:
		return e.object(&m.fields[0], at, depth)
	case specialList:
		return e.list(&m.fields[0], at, depth)
	case specialValue:
		return e.anyJSON(m, at, depth)
	}
	return e.single(&m.fields[0], at, depth) // of a wrapper
}

// anyJSON encodes a google.protobuf.Value: whatever JSON it is.
func (e *encoder) anyJSON(m *message, at, depth int) int {
	index := valueNumber
	switch e.in[at] {
	case 'n':
		index = valueNull
	case '"':
		index = valueString
	case 't', 'f':
		index = valueBool
	case '{':
		index = valueStruct
	case '[':
		index = valueList
	}
	return e.single(&m.fields[index], at, depth)
}

// seconds appends the two fields of a timestamp or a duration.
func (e *encoder) seconds(m *message, seconds, fraction int64) {
	for i, v := range []int64{seconds, fraction} {
		if v != 0 {
			e.tag(m.fields[i].number, protowire.VarintType)
			e.number(m.fields[i].kind, uint64(v))
		}
	}
}

// timeShape is the form of a timestamp before its fraction: a 0 stands for any digit.
const timeShape = "0000-00-00T00:00:00"

func (e *encoder) timestamp(m *message, at int) int {
	const must = "must be a timestamp of RFC 3339 in the years 0001 to 9999, such as 2026-11-29T12:00:00.5Z"
	text, end, ok := e.text(at, must)
	if !ok {
		return end
	}
	if !isTimestamp(text) {
		return e.wrong(at, wrongFormat, must)
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil || t.Unix() < minTimestamp || t.Unix() > maxTimestamp {
		return e.wrong(at, wrongFormat, must)
	}
	e.seconds(m, t.Unix(), int64(t.Nanosecond()))
	return end
}

// isTimestamp reports whether a text has the form of a timestamp, which the library reads more
// leniently.
func isTimestamp(text []byte) bool {
	if len(text) <= len(timeShape) || !hasShape(text[:len(timeShape)], timeShape) {
		return false
	}
	zone, ok := afterFraction(text[len(timeShape):])
	return ok && (string(zone) == "Z" || hasShape(zone, "+00:00") || hasShape(zone, "-00:00"))
}

func hasShape(text []byte, shape string) bool {
	if len(text) != len(shape) {
		return false
	}
	for i, c := range text {
		if digit := c >= '0' && c <= '9'; digit != (shape[i] == '0') || !digit && c != shape[i] {
			return false
		}
	}
	return true
}

// afterFraction returns what follows a fraction of up to nine digits, if there is one.
func afterFraction(text []byte) (rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '.' {
		return text, true
	}
	rest = bytes.TrimLeft(text[1:], "0123456789")
	digits := len(text) - 1 - len(rest)
	return rest, digits >= 1 && digits <= 9
}

func (e *encoder) duration(m *message, at int) int {
	const must = "must be a duration in seconds of up to 10,000 years, such as 1.5s"
	text, end, ok := e.text(at, must)
	if !ok {
		return end
	}
	number, negative := bytes.CutPrefix(text, []byte("-"))
	fraction := bytes.TrimLeft(number, "0123456789")
	whole := number[:len(number)-len(fraction)]
	unit, ok := afterFraction(fraction)
	seconds, err := strconv.ParseInt(string(whole), 10, 64)
	if !ok || string(unit) != "s" || err != nil || seconds > maxDuration {
		return e.wrong(at, wrongFormat, must)
	}
	digits := strings.TrimPrefix(string(fraction[:len(fraction)-1]), ".")
	part, _ := strconv.ParseInt((digits + "000000000")[:9], 10, 64)
	if seconds == maxDuration && part > 0 {
		return e.wrong(at, wrongFormat, must)
	}
	if negative {
		seconds, part = -seconds, -part
	}
	e.seconds(m, seconds, part)
	return end
}

func (e *encoder) mask(m *message, at int) int {
	const must = "must be a list of fields in lowerCamelCase with commas between them, such as user.displayName,photo"
	text, end, ok := e.text(at, must)
	if !ok || len(text) == 0 {
		return end
	}
	for path := range bytes.SplitSeq(text, []byte(",")) {
		if !isPath(path) || bytes.IndexByte(path, '_') >= 0 {
			return e.wrong(at, wrongFormat, must)
		}
		var written []byte
		for _, c := range path {
			if c >= 'A' && c <= 'Z' {
				written = append(written, '_')
				c += 'a' - 'A'
			}
			written = append(written, c)
		}
		e.tag(m.fields[0].number, protowire.BytesType)
		e.bytes(written)
	}
	return end
}

// any encodes a message of a type that its member @type names, which the schema must have.
func (e *encoder) any(at, depth int) int {
	if e.in[at] != '{' {
		return e.wrong(at, wrongType, "must be an object")
	}
	kind, value, others := stopped, stopped, 0
	i := at + 1
	for {
		name, member, ok := jsonscan.NextMember(e.in, i)
		if !ok {
			break
		}
		switch name, _ := nameOf(name); string(name) {
		case "@type":
			kind = member
		case "value":
			value = member
		default:
			others++
		}
		i = jsonscan.EndOfValue(e.in, member)
	}
	if !e.spend((i - at) / 16) {
		return stopped
	}
	if kind == stopped {
		if value == stopped && others == 0 {
			return jsonscan.EndOfValue(e.in, at) // nothing is in it
		}
		return e.wrong(at, missing, `must have the property "@type"`)
	}
	url, end, ok := e.text(kind, "must be a string")
	if ok {
		slash := bytes.LastIndexByte(url, '/')
		m := e.schema.messages[string(url[slash+1:])]
		if slash >= 0 && m != nil {
			return e.typed(m, url, at, value, others, depth)
		}
		end = e.wrong(kind, wrongSymbol, "must be type.googleapis.com/ and the name of a message of the schema")
	}
	if end == stopped {
		return stopped
	}
	return jsonscan.EndOfValue(e.in, at)
}

// typed encodes an Any of a known type.
func (e *encoder) typed(m *message, url []byte, at, value, others, depth int) int {
	e.tag(1, protowire.BytesType)
	e.bytes(url)
	e.tag(2, protowire.BytesType)
	begin := e.open()
	var end int
	switch {
	case depth+1 > maxDepth:
		return e.wrong(at, tooDeep, fmt.Sprintf("is nested in more than %d messages", maxDepth))
	case m.special == plain:
		end = e.members(m, at, depth+1, true)
	case value == stopped || others > 0:
		end = e.wrong(at, missing, `must have the properties "@type" and "value", and no others`)
	default:
		end = e.message(m, value, depth+1)
		if end != stopped {
			end = jsonscan.EndOfValue(e.in, at)
		}
	}
	e.close(begin)
	return end
}
