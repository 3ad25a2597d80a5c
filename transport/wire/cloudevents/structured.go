package cloudevents

import (
	"encoding/base64"
	"strconv"
	"strings"

	"sluice/hub/jsonscan"
	"sluice/transport/wire"
)

// Parse parses an event in JSON, which may have white space around it. The event aliases
// b, which must not be changed while the event is in use.
//
// The error's code is TooLarge or BadRequest.
func Parse(b []byte, limits wire.Limits) (*Event, *wire.Error) {
	if fault := wire.CheckJSON(b, limits); fault != nil {
		return nil, fault
	}
	return parse("", trim(b))
}

// ParseBatch parses a batch of events in JSON, which may be empty. Each event may have as
// many fields as any other message.
func ParseBatch(b []byte, limits wire.Limits) ([]*Event, *wire.Error) {
	elements, fault := wire.CheckJSONArray(b, limits)
	if fault != nil {
		return nil, fault
	}
	events := make([]*Event, len(elements))
	for i, element := range elements {
		if events[i], fault = parse("/"+strconv.Itoa(i), element); fault != nil {
			return nil, fault
		}
	}
	return events, nil
}

func trim(b []byte) []byte {
	b = jsonscan.TrimSpace(b)
	return b[:jsonscan.EndOfValue(b, 0)]
}

// parse parses an event whose JSON was checked.
func parse(at string, b []byte) (*Event, *wire.Error) {
	f := &faults{at: at}
	if b[0] != '{' {
		f.add("", "must be a JSON object")
		return nil, f.fault()
	}
	e := &Event{raw: b}
	var version string
	var data, inBase64 []byte
	for rawName, value := range jsonscan.Members(b) {
		name, ok := jsonscan.Unquote(rawName)
		switch {
		case name == "data":
			data = value
		case name == "data_base64":
			inBase64 = value
		case !ok || !validName(name):
			f.add("", "the attribute %s must have a name of lower-case letters and digits", wire.Shown(name))
		case string(value) == "null": // as if it were not there
		default:
			text := f.attribute(name, value)
			switch name {
			case "specversion":
				version = text
			case contentType:
				e.contentType = text
			default:
				e.attributes = append(e.attributes, attribute{name, text})
			}
		}
	}
	if len(f.all) == 0 {
		e.check(f, version)
	}
	switch {
	case data != nil && inBase64 != nil:
		f.add("/data_base64", "cannot be combined with data")
	case inBase64 != nil:
		e.data = f.base64(inBase64)
	case data != nil:
		e.data, e.isJSON = data, true
		if !jsonMedia(e.contentType) && data[0] == '"' {
			// A text is the content of the string (JSON event format, section 3.1.1).
			text, ok := jsonscan.Unquote(data)
			if !ok {
				f.add("/data", "has an unpaired surrogate")
			}
			e.data, e.isJSON = []byte(text), false
		}
	}
	return e, f.fault()
}

// attribute returns the canonical text of an attribute's value.
func (f *faults) attribute(name string, value []byte) string {
	switch {
	case value[0] == '"':
		text, ok := jsonscan.Unquote(value)
		if !ok {
			f.add("/"+name, "has an unpaired surrogate")
		} else if text == "" {
			f.add("/"+name, "is empty")
		}
		return text
	case isCore(name):
		f.add("/"+name, "must be a string")
	case string(value) == "true", string(value) == "false":
		return string(value)
	default:
		n, err := strconv.ParseInt(string(value), 10, 32)
		if err == nil && strconv.FormatInt(n, 10) == string(value) {
			return string(value)
		}
		f.add("/"+name, "must be a string, a boolean, or an integer of 32 bits")
	}
	return ""
}

// isCore reports whether an attribute is one of the specification, which are all strings.
func isCore(name string) bool {
	switch name {
	case "specversion", "id", "source", "type", contentType, "dataschema", "subject", "time":
		return true
	}
	return false
}

func (f *faults) base64(value []byte) []byte {
	text, ok := "", value[0] == '"'
	if ok {
		text, ok = jsonscan.Unquote(value)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || strings.ContainsAny(text, "\r\n") {
		f.add("/data_base64", "must be a string in base64 (RFC 4648, section 4, with padding)")
	}
	if b == nil {
		b = []byte{}
	}
	return b
}
