package cloudevents

import (
	"fmt"
	"mime"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sluice/transport/wire"
)

// The media types of events, and the subprotocol of WebSockets.
const (
	MediaType      = "application/cloudevents+json"
	BatchMediaType = "application/cloudevents-batch+json"
	Subprotocol    = "cloudevents.json"

	// mediaPrefix begins the media types of all event formats.
	mediaPrefix = "application/cloudevents"
)

const (
	specVersion = "1.0"
	// partitionKey is the extension attribute that chooses the key of a record.
	partitionKey = "partitionkey"
	// contentType is the attribute that is a header of its own in the binary mode.
	contentType = "datacontenttype"
)

// Event is an event that a client has sent.
type Event struct {
	// attributes are all but specversion and datacontenttype, in the order in which they
	// came.
	attributes  []attribute
	contentType string // "" for none

	data []byte // nil for none
	// isJSON is set if data is JSON that was checked.
	isJSON bool
	// raw is the whole event in JSON, nil if it did not come as such.
	raw []byte
}

// attribute is a context attribute, with its value in its canonical text.
type attribute struct{ name, value string }

// get returns an attribute, "" if there is none: none can be empty.
func (e *Event) get(name string) string {
	for _, a := range e.attributes {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// ID returns the id of the event.
func (e *Event) ID() string { return e.get("id") }

// faults collects what is wrong with an event.
type faults struct {
	// at is where the event is in the request.
	at  string
	all []wire.Violation
}

// maxFaults bounds how many are reported.
const maxFaults = 20

func (f *faults) add(name, format string, args ...any) {
	if len(f.all) < maxFaults {
		f.all = append(f.all, wire.Violation{Pointer: f.at + name, Message: fmt.Sprintf(format, args...)})
	}
}

// fault returns the faults of an event as one, nil if there is none.
func (f *faults) fault() *wire.Error {
	if len(f.all) == 0 {
		return nil
	}
	first := f.all[0]
	message := strings.TrimPrefix(first.Pointer+" "+first.Message, "/")
	return &wire.Error{Code: wire.BadRequest, Message: "not a CloudEvent: " + strings.TrimPrefix(message, " "), Errors: f.all}
}

// validName reports whether a context attribute can have a name: lower-case letters and
// digits.
func validName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// validText reports whether a string is one of the type system of CloudEvents: without
// control characters, surrogates and noncharacters.
func validText(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef || unicode.Is(unicode.Cs, r) {
			return false
		}
	}
	return true
}

// check checks the attributes of an event, each by its type.
func (e *Event) check(f *faults, version string) {
	switch version {
	case specVersion:
	case "":
		f.add("/specversion", "is required")
	default:
		f.add("/specversion", "must be %s", specVersion)
	}
	for _, name := range [...]string{"id", "source", "type"} {
		if e.get(name) == "" {
			f.add("/"+name, "is required")
		}
	}
	for _, a := range e.attributes {
		if wrong := a.wrong(); wrong != "" {
			f.add("/"+a.name, "%s", wrong)
		}
	}
	if e.contentType != "" {
		if _, _, err := mime.ParseMediaType(e.contentType); err != nil || !validText(e.contentType) {
			f.add("/"+contentType, "must be a media type")
		}
	}
}

// wrong returns what is wrong with the value of an attribute.
func (a attribute) wrong() string {
	if !validText(a.value) {
		return "has control characters, or characters that are none"
	}
	switch a.name {
	case "source", "dataschema":
		if u, err := url.Parse(a.value); err != nil || a.name == "dataschema" && !u.IsAbs() {
			return "must be a URI"
		}
	case "time":
		if _, err := time.Parse(time.RFC3339Nano, a.value); err != nil {
			return "must be a time (RFC 3339)"
		}
	}
	return ""
}

// jsonMedia reports whether a media type is JSON; none is, too.
func jsonMedia(mediaType string) bool {
	if mediaType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(mediaType)
	return err == nil && (strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json"))
}

// Kind tells which content mode a content type is of: an event in JSON, a batch of them, or
// neither. An event format that is not known is a fault.
func Kind(contentType string) (structured, batch bool, fault *wire.Error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(kind, mediaPrefix) {
		return false, false, nil // whatever is wrong is found where it matters
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false, false, wire.Errorf(wire.BadRequest, "CloudEvents in JSON must be in UTF-8, not in another charset")
	}
	switch kind {
	case MediaType:
		return true, false, nil
	case BatchMediaType:
		return false, true, nil
	}
	fault = wire.Errorf(wire.BadRequest, "the event format is not supported: send CloudEvents as %s or %s", MediaType, BatchMediaType)
	fault.HTTPStatus = 415
	return false, false, fault
}
