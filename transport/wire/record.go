package wire

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
	"sluice/hub/record"
)

// published is one record to be published, as in JSON.
type published struct {
	Key       *string         `json:"key" validate:"-"`
	Headers   []record.Header `json:"headers" validate:"-"`
	Data      []byte          `json:"data" validate:"required_without=Tombstone,excluded_with=Tombstone"`
	Encoding  string          `json:"encoding" validate:"excluded_with=Tombstone,omitempty,oneof=base64"`
	Tombstone bool            `json:"tombstone"`
	MessageID string          `json:"-"`
	Timestamp int64           `json:"-"`
}

// recordField reads one field and reports whether records have it.
func (p *parser) recordField(r *published, name, at string, value []byte) bool {
	switch name {
	case "key":
		if string(value) != "null" {
			key := p.text(at, value)
			r.Key = &key
		}
	case "headers":
		r.Headers = p.headers(at, value)
	case "data":
		r.Data = value
	case "encoding":
		r.Encoding = p.text(at, value)
		if r.Encoding == "" {
			p.refuse(at, "must be one of: base64")
		}
	case "tombstone":
		r.Tombstone = p.flag(at, value)
	case "message_id":
		if text, ok := p.textOK(at, value); ok {
			r.MessageID = p.messageID(at, text)
		}
	case "ts":
		r.Timestamp = p.timestamp(at, string(value))
	default:
		return false
	}
	return true
}

// ordinary reports whether a record certainly complies with its tags, which takes longer to
// find out by the tags.
func (r *published) ordinary() bool {
	return len(r.Data) > 0 && !r.Tombstone && (r.Encoding == "" || r.Encoding == "base64")
}

// message checks a record that has been read and returns its message.
func (p *parser) message(at string, r *published) ingest.Message {
	if r.Tombstone && string(r.Data) == "null" {
		r.Data = nil // as events show a tombstone
	}
	if !p.failed() && !r.ordinary() {
		for _, v := range checkEnvelope(r) {
			p.refuse(at+v.Pointer, "%s", v.Message)
		}
	}
	if p.failed() {
		if len(r.Data) == 0 && !r.Tombstone {
			p.meantAsData(at)
		}
		return ingest.Message{}
	}
	m := ingest.Message{ID: r.MessageID, Headers: r.Headers, Timestamp: r.Timestamp}
	if r.Key != nil {
		m.Key = []byte(*r.Key)
	}
	switch {
	case r.Tombstone:
	case r.Encoding == "base64":
		if text, ok := p.textOK(at+"/data", r.Data); ok {
			m.Value = p.base64(at+"/data", text)
		}
	default:
		m.Value, m.JSON = r.Data, true
	}
	return m
}

// meantAsData adds to unknown fields of a record without data where they probably belong: a
// client that sends its value where a record is expected learns nothing else from the names of
// its own fields.
func (p *parser) meantAsData(at string) {
	for _, i := range p.unknowns {
		if v := &p.violations[i]; v.Pointer == at {
			v.Message += `: the value of a record is in the field "data"`
		}
	}
}

// maxTimestamp is the end of the year 9999, in Unix milliseconds.
const maxTimestamp = 253402300799999

// timestamp reads the time of a record.
func (p *parser) timestamp(pointer, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxTimestamp || text[0] == '+' {
		p.refuse(pointer, "must be Unix milliseconds, an integer from 1 to %d", int64(maxTimestamp))
		return 0
	}
	return n
}

// base64 decodes standard base64 with padding (RFC 4648, section 4), which must
// be in its canonical form. The result is nil only if that fails.
func (p *parser) base64(pointer, text string) []byte {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	// The decoder ignores line ends, which the canonical form does not have.
	if err != nil || strings.ContainsAny(text, "\r\n") {
		p.refuse(pointer, "is not base64 (RFC 4648, section 4, with padding)")
		return nil
	}
	if b == nil {
		b = []byte{}
	}
	return b
}

// headers reads [[name, value], [name, null], [name, value, "base64"], …].
func (p *parser) headers(pointer string, value []byte) (headers []record.Header) {
	if value[0] != '[' {
		p.refuse(pointer, "must be an array")
		return nil
	}
	for element := range jsonscan.Elements(value) {
		headers = append(headers, p.header(fmt.Sprintf("%s/%d", pointer, len(headers)), element))
	}
	return headers
}

func (p *parser) header(pointer string, value []byte) (h record.Header) {
	const form = `must be [name, value], [name, null] or [name, value, "base64"]`
	var parts [][]byte
	if value[0] == '[' {
		for part := range jsonscan.Elements(value) {
			if parts = append(parts, part); len(parts) > 3 {
				break
			}
		}
	}
	if len(parts) < 2 || len(parts) > 3 || len(parts) == 3 && string(parts[1]) == "null" {
		p.refuse(pointer, form)
		return h
	}
	name := p.text(pointer+"/0", parts[0])
	if ingest.ReservedHeader(name) {
		p.refuseAs(ReservedHeader, pointer+"/0", "is a name that is reserved for the server (%s…)", ingest.ReservedHeaderPrefix)
	}
	h.Name = []byte(name)
	if string(parts[1]) == "null" {
		return h
	}
	text := p.text(pointer+"/1", parts[1])
	if len(parts) == 2 {
		h.Value = []byte(text)
		return h
	}
	if encoding, _ := jsonscan.Unquote(parts[2]); encoding != "base64" {
		p.refuse(pointer+"/2", `must be "base64"`)
		return h
	}
	h.Value = p.base64(pointer+"/1", text)
	return h
}

// publish reads a publish message.
func (p *parser) publish(b []byte) *Publish {
	r := &Publish{}
	r.Messages, r.Batch = p.records(b, func(name, at string, value []byte) bool {
		switch name {
		case "id":
			r.ID = p.text(at, value)
		case "stream":
			r.Stream = p.text(at, value)
		case "reply", "wait":
			if text, ok := p.textOK(at, value); ok {
				p.replyTo(&r.ReplyTo, name, at, text)
			}
		default:
			return false
		}
		return true
	})
	if r.ExpectsReply() && r.Batch {
		p.refuse("/reply", "is for a single record, and cannot be combined with records")
	}
	p.checkReplyTo(&r.ReplyTo)
	return r
}

// records reads an object that is a single record, or has several records in
// `records`, and may have other fields.
func (p *parser) records(b []byte, other func(name, at string, value []byte) bool) (messages []ingest.Message, batch bool) {
	var (
		single published
		beside string // a field of a single record, if there is one
		list   []byte
	)
	p.fields("", b, func(name, at string, value []byte) bool {
		switch {
		case other(name, at, value):
		case name == "records":
			list = value
		case p.recordField(&single, name, at, value):
			beside = at
		default:
			return false
		}
		return true
	})
	if list == nil {
		return []ingest.Message{p.message("", &single)}, false
	}
	switch {
	case beside != "":
		p.refuse(beside, "cannot be combined with records")
	case list[0] != '[':
		p.refuse("/records", "must be an array")
	default:
		messages = p.batch(list)
	}
	return messages, true
}

func (p *parser) batch(list []byte) (messages []ingest.Message) {
	var ids map[string]bool
	for value := range jsonscan.Elements(list) {
		if p.mostRecords > 0 && len(messages) >= p.mostRecords {
			fault := tooManyRecords(p.mostRecords)
			p.refuseAs(fault.Code, "", "%s", fault.Message)
			return nil
		}
		at := "/records/" + strconv.Itoa(len(messages))
		if value[0] != '{' {
			p.refuse(at, "must be an object")
			return nil
		}
		var r published
		p.fields(at, value, func(name, at string, value []byte) bool {
			return p.recordField(&r, name, at, value)
		})
		if r.MessageID != "" {
			if ids[r.MessageID] {
				p.refuse(at+"/message_id", "is that of an earlier record of the batch")
			}
			if ids == nil {
				ids = make(map[string]bool)
			}
			ids[r.MessageID] = true
		}
		messages = append(messages, p.message(at, &r))
	}
	if len(messages) == 0 {
		p.refuse("/records", "is empty")
	}
	return messages
}

// replyTo reads one field and reports whether there is such a field.
func (p *parser) replyTo(to *ReplyTo, name, at, value string) bool {
	switch name {
	case "reply":
		if to.Stream = value; value == "" {
			p.refuse(at, "is empty")
		}
	case "wait":
		to.Wait = p.span(at, value, time.Millisecond, MaxWait)
	default:
		return false
	}
	return true
}

// checkReplyTo checks that the fields fit each other, and sets the default.
func (p *parser) checkReplyTo(to *ReplyTo) {
	switch {
	case !to.ExpectsReply() && to.Wait != 0:
		p.refuse("/wait", "requires reply")
	case to.ExpectsReply() && IsPattern(to.Stream):
		p.refuse("/reply", "must be one stream, not a pattern")
	case to.ExpectsReply() && to.Wait == 0:
		to.Wait = DefaultReplyWait
	}
}
