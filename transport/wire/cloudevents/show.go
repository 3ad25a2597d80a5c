package cloudevents

import (
	"encoding/base64"
	"mime"
	"net/url"
	"strconv"
	"time"

	"sluice/hub/event"
	"sluice/hub/jsonscan"
)

// The types of events that the server makes.
const (
	typePrefix = "sluice."
	// TypeRecord is the type of a record that is no CloudEvent, and TypeTombstone that of a
	// record without a value.
	TypeRecord    = typePrefix + "record"
	TypeTombstone = typePrefix + "tombstone"
)

// shown is the event of a record as package event has encoded it: raw JSON values.
type shown struct {
	stream, partition, offset, ts, key, headers, data []byte

	encoding             string
	keyInBase64, noValue bool
}

func read(body []byte) (s shown) {
	for rawName, value := range jsonscan.Members(body) {
		switch string(rawName) {
		case `"stream"`:
			s.stream = value
		case `"partition"`:
			s.partition = value
		case `"offset"`:
			s.offset = value
		case `"ts"`:
			s.ts = value
		case `"key"`:
			s.key = value
		case `"key_encoding"`:
			s.keyInBase64 = true
		case `"headers"`:
			s.headers = value
		case `"data"`:
			s.data = value
		case `"encoding"`:
			s.encoding, _ = jsonscan.Unquote(value)
		case `"tombstone"`:
			s.noValue = true
		}
	}
	return s
}

// Append appends the CloudEvent of a record, given the event that subscribers are shown: the
// record itself if it is one, in either content mode of the Kafka protocol binding, else one
// of the type sluice.record that has its value as data.
func Append(dst, body []byte) []byte {
	s := read(body)
	attributes, kind := s.attributes()
	if text := s.structured(kind); text != nil {
		return append(dst, text...)
	}
	if attributes != nil {
		return s.appendBinary(dst, attributes, kind)
	}
	return s.appendWrapped(dst)
}

// attributes returns the attributes in the headers of a record, without specversion, if these
// are those of an event, and the content type, "" for none.
func (s *shown) attributes() (all []attribute, kind string) {
	if s.headers == nil {
		return nil, ""
	}
	seen := make(map[string]bool)
	for header := range jsonscan.Elements(s.headers) {
		var parts [][]byte
		for part := range jsonscan.Elements(header) {
			parts = append(parts, part)
		}
		if len(parts) != 2 || parts[1][0] != '"' {
			continue // null, or not UTF-8
		}
		name, _ := jsonscan.Unquote(parts[0])
		value, _ := jsonscan.Unquote(parts[1])
		if name == recordContentType && kind == "" {
			kind = value
			continue
		}
		if len(name) <= len(recordPrefix) || name[:len(recordPrefix)] != recordPrefix {
			continue
		}
		name = name[len(recordPrefix):]
		if validName(name) && name != "data" && name != contentType && !seen[name] && value != "" && validText(value) {
			seen[name] = true
			all = append(all, attribute{name, value})
		}
	}
	if !seen["specversion"] || !seen["id"] || !seen["source"] || !seen["type"] {
		return nil, kind
	}
	return all, kind
}

// structured returns the event that is the value of a record, nil if it is none.
func (s *shown) structured(contentType string) []byte {
	if kind, _, err := mime.ParseMediaType(contentType); err != nil || kind != MediaType || s.noValue {
		return nil
	}
	text := s.data
	if s.encoding != "" {
		value, ok := s.value()
		if !ok || jsonscan.Check(value, event.MaxDataDepth) != nil {
			return nil
		}
		text = onLine(trim(value))
	}
	if text == nil || text[0] != '{' {
		return nil
	}
	found := 0
	for rawName, value := range jsonscan.Members(text) {
		switch string(rawName) {
		case `"specversion"`, `"id"`, `"source"`, `"type"`:
			if value[0] == '"' && len(value) > 2 {
				found++
			}
		}
	}
	if found != 4 {
		return nil // also one of which something is hidden
	}
	return text
}

// value returns the bytes of a value that is shown as a string.
func (s *shown) value() (b []byte, ok bool) {
	text, ok := jsonscan.Unquote(s.data)
	if !ok || s.encoding != "base64" {
		return []byte(text), ok
	}
	b, err := base64.StdEncoding.DecodeString(text)
	return b, err == nil
}

// onLine replaces line ends in JSON, which are only white space, by spaces.
func onLine(b []byte) []byte {
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
	return b
}

// appendBinary appends the event of a record in the binary content mode.
func (s *shown) appendBinary(dst []byte, attributes []attribute, kind string) []byte {
	dst = append(dst, `{"specversion":"1.0"`...)
	for _, a := range attributes {
		if a.name != "specversion" {
			dst = appendAttribute(dst, a.name, a.value)
		}
	}
	if kind != "" && validText(kind) {
		dst = appendAttribute(dst, contentType, kind)
	}
	return append(s.appendData(dst, kind), '}')
}

// appendData appends the value of a record as the data of a content type.
func (s *shown) appendData(dst []byte, kind string) []byte {
	switch {
	case s.noValue || s.data == nil:
		return dst
	case s.encoding == "base64":
		return append(append(dst, `,"data_base64":`...), s.data...)
	case s.encoding == "" && jsonMedia(kind), s.encoding == "" && s.data[0] == '"':
		return append(append(dst, `,"data":`...), s.data...)
	case s.encoding == "":
		// Another media type than JSON, whose data happens to be JSON.
		return appendData(dst, kind, s.data)
	}
	value, _ := s.value()
	if len(value) == 0 {
		return dst
	}
	return appendData(dst, kind, value)
}

// appendWrapped appends an event that has a record as its data.
func (s *shown) appendWrapped(dst []byte) []byte {
	kind := TypeRecord
	if s.noValue {
		kind = TypeTombstone
	}
	dst = append(dst, `{"specversion":"1.0","type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","source":`...)
	dst = appendSource(dst, s.stream)
	dst = append(dst, `,"id":"`...)
	dst = append(append(append(dst, s.partition...), ':'), s.offset...)
	dst = append(dst, '"')
	if ms, err := strconv.ParseInt(string(s.ts), 10, 64); err == nil {
		dst = append(dst, `,"time":"`...)
		dst = append(time.UnixMilli(ms).UTC().AppendFormat(dst, time.RFC3339Nano), '"')
	}
	if len(s.key) > 2 && s.key[0] == '"' && !s.keyInBase64 {
		if key, ok := jsonscan.Unquote(s.key); ok && validText(key) {
			dst = appendAttribute(dst, partitionKey, key)
		}
	}
	media := "application/json"
	switch s.encoding {
	case "base64":
		media = "application/octet-stream"
	case "text":
		media = "text/plain"
	}
	if s.noValue {
		return append(dst, '}')
	}
	dst = appendAttribute(dst, contentType, media)
	if s.encoding == "text" {
		return append(append(append(dst, `,"data":`...), s.data...), '}')
	}
	return append(s.appendData(dst, media), '}')
}

// appendSource appends the source of what the server makes of a stream, whose name is a JSON
// string: its path.
func appendSource(dst, stream []byte) []byte {
	name, _ := jsonscan.Unquote(stream)
	return jsonscan.AppendString(dst, "/v1/streams/"+url.PathEscape(name))
}
