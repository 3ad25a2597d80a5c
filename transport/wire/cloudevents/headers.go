package cloudevents

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sluice/transport/wire"
)

// headerPrefix begins the HTTP headers that are attributes.
const headerPrefix = "Ce-"

// InHeaders reports whether a request is an event in the binary content mode, or tries to
// be one.
func InHeaders(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, headerPrefix) {
			return true
		}
	}
	return false
}

// FromHeaders returns the event of a request in the binary content mode (HTTP binding,
// section 3.1). Its data is the body, which must not be changed while the event is in use;
// an event with an empty body has none.
func FromHeaders(h http.Header, body []byte) (*Event, *wire.Error) {
	f := &faults{}
	e := &Event{contentType: h.Get("Content-Type")}
	if len(body) > 0 {
		e.data = body
	}
	version := ""
	for _, header := range slices.Sorted(maps.Keys(h)) {
		suffix, ok := strings.CutPrefix(header, headerPrefix)
		if !ok {
			continue
		}
		name := strings.ToLower(suffix)
		if !validName(name) || name == "data" {
			f.add("", "the header %s must be ce- and the name of an attribute, of letters and digits", wire.Shown(header))
			continue
		}
		if len(h[header]) > 1 {
			f.add("/"+name, "is given twice")
			continue
		}
		text, ok := fromHeader(h[header][0])
		switch {
		case !ok:
			f.add("/"+name, "is not escaped correctly, or not UTF-8")
		case text == "":
			f.add("/"+name, "is empty")
		case name == "specversion":
			version = text
		case name == contentType:
			f.add("/"+name, "is the header Content-Type")
		default:
			e.attributes = append(e.attributes, attribute{name, text})
		}
	}
	if len(f.all) == 0 {
		e.check(f, version)
	}
	return e, f.fault()
}

// fromHeader decodes the value of a header (HTTP binding, section 3.1.3.2): a string in
// quotes without them, and then percent-encoded bytes.
func fromHeader(value string) (text string, ok bool) {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		var b strings.Builder
		for i := 1; i < len(value)-1; i++ {
			if value[i] == '\\' && i+1 < len(value)-1 {
				i++
			}
			b.WriteByte(value[i])
		}
		value = b.String()
	}
	text, err := url.PathUnescape(value)
	return text, err == nil && validText(text)
}
