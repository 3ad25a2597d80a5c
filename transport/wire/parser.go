package wire

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sluice/hub/jsonscan"
)

// parser reads the fields of requests and collects what is wrong with them.
type parser struct {
	// typed is set for messages, which have a type field; bodies have none.
	typed bool
	// mostRecords bounds the records of a batch, 0 for no bound.
	mostRecords int

	code       Code
	violations []Violation
	unknowns   []int // which of the violations are unknown fields
}

// maxViolations bounds the number of reported violations.
const maxViolations = 20

func (p *parser) failed() bool { return p.code != "" }

func (p *parser) refuse(pointer, format string, args ...any) {
	p.refuseAs(BadRequest, pointer, format, args...)
}

// refuseAs adds a violation; the code of the first one is the error's code.
func (p *parser) refuseAs(code Code, pointer, format string, args ...any) {
	if p.code == "" {
		p.code = code
	}
	if len(p.violations) < maxViolations {
		p.violations = append(p.violations, Violation{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
}

func (p *parser) check(request any) {
	for _, v := range checkEnvelope(request) {
		p.refuse(v.Pointer, "%s", v.Message)
	}
}

func (p *parser) fault() *Error {
	first := p.violations[0]
	message := strings.TrimPrefix(first.Pointer+" "+first.Message, "/")
	return &Error{Code: p.code, Message: strings.TrimPrefix(message, " "), Errors: p.violations}
}

// unknown refuses a field that a request does not have. The pointer names the
// object that contains it, because a client's field name can be long.
func (p *parser) unknown(at, name string) {
	shown := Shown(name)
	if len(p.violations) < maxViolations {
		p.unknowns = append(p.unknowns, len(p.violations))
	}
	switch {
	case known[strings.ToLower(name)] != "":
		p.refuse(at, "unknown field %s: field names are in lower case", shown)
	default:
		p.refuse(at, "unknown field %s", shown)
	}
}

// known holds the field names of requests, with their JSON pointers. It saves
// building the pointers for each message, and helps to recognize names in upper
// case.
var known = func() map[string]string {
	names := map[string]string{}
	for name := range strings.FieldsSeq(`type id token stream subscriptions from key cursor_name reset on_gap
		heartbeat ack cursor headers data encoding tombstone records filter key_prefix message_id last_event_id ts reply wait`) {
		names[name] = "/" + name
	}
	return names
}()

// fieldName returns the name of a field. It reports false if jsonscan.Unquote
// does.
func fieldName(raw []byte) (name string, ok bool) {
	if pointer, isKnown := known[string(raw[1:len(raw)-1])]; isKnown {
		return pointer[1:], true
	}
	return jsonscan.Unquote(raw)
}

// below returns the pointer to a field of the object at a pointer.
func below(at, name string) string {
	if pointer, isKnown := known[name]; isKnown && at == "" {
		return pointer
	}
	return at + "/" + name
}

func validID(id string) bool {
	return id != "" && utf8.RuneCountInString(id) <= MaxID
}

// idAndType reads the fields that all messages have.
func (p *parser) idAndType(b []byte) (id, kind string) {
	for rawName, value := range jsonscan.Members(b) {
		switch name, _ := fieldName(rawName); name {
		case "id":
			id = p.text("/id", value)
		case "type":
			kind = p.text("/type", value)
		}
		if id != "" && kind != "" {
			break // no name is repeated
		}
	}
	if kind == "" && !p.failed() {
		p.refuse("/type", "is required")
	}
	if !validID(id) {
		if id != "" {
			p.refuse("/id", "is longer than %d characters", MaxID)
		}
		id = ""
	}
	return id, kind
}

// fields calls read with each field of the object but type, and refuses those for
// which read returns false.
func (p *parser) fields(at string, object []byte, read func(name, pointer string, value []byte) bool) {
	for rawName, value := range jsonscan.Members(object) {
		name, ok := fieldName(rawName)
		if p.typed && at == "" && name == "type" {
			continue
		}
		if !ok || !read(name, below(at, name), value) {
			p.unknown(at, name)
		}
	}
}

func (p *parser) text(pointer string, value []byte) string {
	text, _ := p.textOK(pointer, value)
	return text
}

func (p *parser) textOK(pointer string, value []byte) (text string, ok bool) {
	if value[0] != '"' {
		p.refuse(pointer, "must be a string")
		return "", false
	}
	if text, ok = jsonscan.Unquote(value); !ok {
		p.refuse(pointer, "has an unpaired surrogate")
		return "", false
	}
	return text, true
}

func (p *parser) flag(pointer string, value []byte) bool {
	switch string(value) {
	case "true":
		return true
	case "false":
	default:
		p.refuse(pointer, "must be true or false")
	}
	return false
}

func (p *parser) span(pointer, text string, least, most time.Duration) time.Duration {
	d, ok := parseSpan(text)
	if !ok || d < least || d > most {
		p.refuse(pointer, "must be a duration from %v to %v", least, most)
		return 0
	}
	return d
}

func (p *parser) cursor(pointer, text string) string {
	if text != "" && !plausibleCursor(text) {
		p.refuseAs(BadCursor, pointer, "is damaged or of an unknown version")
	}
	return text
}

func (p *parser) from(pointer, text string) From {
	from, err := ParseFrom(text)
	if err != nil {
		p.refuseAs(err.Code, pointer, "%s", err.Message)
	}
	return from
}

func (p *parser) auth(b []byte) *Auth {
	r := &Auth{}
	p.fields("", b, func(name, at string, value []byte) bool {
		switch name {
		case "id":
			r.ID = p.text(at, value)
		case "token":
			r.Token = Token(p.text(at, value))
		default:
			return false
		}
		return true
	})
	return r
}

func (p *parser) unsubscribe(b []byte) *Unsubscribe {
	return &Unsubscribe{ID: p.onlyID(b)}
}

func (p *parser) onlyID(b []byte) (id string) {
	p.fields("", b, func(name, at string, value []byte) bool {
		if name != "id" {
			return false
		}
		id = p.text(at, value)
		return true
	})
	return id
}

func (p *parser) ack(b []byte) *Ack {
	r := &Ack{}
	p.fields("", b, func(name, at string, value []byte) bool {
		switch name {
		case "id":
			r.ID = p.text(at, value)
		case "cursor":
			r.Cursor = p.cursor(at, p.text(at, value))
		default:
			return false
		}
		return true
	})
	return r
}

// subscribe reads a *Subscribe, or a *SubscribeMany if there is a field
// `subscriptions`.
func (p *parser) subscribe(b []byte) Request {
	for rawName, list := range jsonscan.Members(b) {
		if name, _ := fieldName(rawName); name == "subscriptions" {
			return p.subscribeMany(b, list)
		}
	}
	r := p.subscription("", b)
	return &r
}

func (p *parser) subscribeMany(b, list []byte) *SubscribeMany {
	r := &SubscribeMany{}
	p.fields("", b, func(name, at string, value []byte) bool {
		switch {
		case name == "id":
			r.ID = p.text(at, value)
		case name == "subscriptions":
		case known[name] != "":
			p.refuse(at, "cannot be combined with subscriptions")
		default:
			return false
		}
		return true
	})
	if list[0] != '[' {
		p.refuse("/subscriptions", "must be an array")
		return r
	}
	for value := range jsonscan.Elements(list) {
		at := fmt.Sprintf("/subscriptions/%d", len(r.Subscriptions))
		if value[0] != '{' {
			p.refuse(at, "must be an object")
		}
		r.Subscriptions = append(r.Subscriptions, p.subscription(at, value))
	}
	return r
}

// cursorBody reads {"cursor": …}.
func (p *parser) cursorBody(b []byte) (cursor string) {
	p.fields("", b, func(name, at string, value []byte) bool {
		if name != "cursor" {
			return false
		}
		cursor = p.cursor(at, p.text(at, value))
		return true
	})
	if cursor == "" && !p.failed() {
		p.refuse("/cursor", "is required")
	}
	return cursor
}

func (p *parser) subscription(parent string, b []byte) (r Subscribe) {
	p.fields(parent, b, func(name, at string, value []byte) bool {
		switch name {
		case "id":
			r.ID = p.text(at, value)
		case "stream":
			r.Stream = p.text(at, value)
		case "ack":
			r.Ack = AckMode(p.text(at, value))
		case "last_event_id":
			if r.LastEventID = p.cursor(at, p.text(at, value)); r.LastEventID == "" && !p.failed() {
				p.refuse(at, "is empty")
			}
		case "from":
			if text, ok := p.textOK(at, value); ok {
				r.From = p.from(at, text)
			}
		case "key":
			r.Keys = p.texts(at, value)
		case "key_prefix":
			if r.KeyPrefix = p.text(at, value); r.KeyPrefix == "" && !p.failed() {
				p.refuse(at, "is empty")
			}
		case "filter":
			if r.Filter = p.text(at, value); r.Filter == "" && !p.failed() {
				p.refuse(at, "is empty")
			}
		case "cursor_name":
			if r.CursorName = p.text(at, value); r.CursorName == "" && !p.failed() {
				p.refuse(at, "is empty")
			}
		case "reset":
			r.Reset = p.flag(at, value)
		case "on_gap":
			r.OnGap = OnGap(p.text(at, value))
		case "heartbeat":
			if text, ok := p.textOK(at, value); ok {
				r.Heartbeat = p.span(at, text, MinHeartbeat, MaxHeartbeat)
			}
		default:
			if !strings.HasPrefix(name, headerPrefix) {
				return false
			}
			// The name is the client's, and can be long: it is shown, and in no pointer.
			if value[0] != '"' {
				p.refuse(parent, "the field %s must be a string", Shown(name))
			} else if text, ok := p.textOK(parent, value); ok {
				p.headerIs(&r.Reading, name, parent, text)
			}
		}
		return true
	})
	p.checkReading(parent, &r.Reading)
	return r
}

// checkReading checks what parameters require of each other.
func (p *parser) checkReading(parent string, r *Reading) {
	if r.Reset && r.CursorName == "" && !p.failed() {
		p.refuse(parent+"/reset", "requires cursor_name")
	}
}

// headerIs reads what selects records by a header.
func (p *parser) headerIs(r *Reading, name, at, value string) {
	name = strings.TrimPrefix(name, headerPrefix)
	switch {
	case name == "":
		p.refuse(at, "header. lacks the name of a header")
	case slices.ContainsFunc(r.Headers, func(h HeaderValue) bool { return h.Name == name }):
		p.refuse(at, "%s is given twice", Shown(headerPrefix+name))
	default:
		r.Headers = append(r.Headers, HeaderValue{Name: name, Value: value})
	}
}

// texts reads an array of strings that must not be empty: an empty array would
// select nothing, but look like a missing one.
func (p *parser) texts(pointer string, value []byte) (all []string) {
	if value[0] != '[' {
		p.refuse(pointer, "must be an array of strings")
		return nil
	}
	for element := range jsonscan.Elements(value) {
		if p.failed() {
			return nil
		}
		all = append(all, p.text(fmt.Sprintf("%s/%d", pointer, len(all)), element))
	}
	if len(all) == 0 && !p.failed() {
		p.refuse(pointer, "is empty")
	}
	return all
}
