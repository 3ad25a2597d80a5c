package wire

import (
	"mime"
	"net/http"
	"strings"

	"sluice/hub/ingest"
	"sluice/hub/jsonscan"
	"sluice/hub/record"
)

// HTTPPublish holds the parts of an HTTP request that specify what to publish.
type HTTPPublish struct {
	// ContentType is the value of the header, empty if there is none.
	ContentType string
	// IdempotencyKey is the value of the header, with its lines joined by commas, empty if
	// there is none.
	IdempotencyKey string
	RawQuery       string
	// Body must not be changed while the messages are in use.
	Body []byte
}

// ParseHTTPPublish parses a publish request. With the content type
// `application/json` the body is one record or several, which are then answered
// as a batch. With any other content type, or none, the body itself is the value,
// with key and headers from the query; only `application/x-www-form-urlencoded` is
// refused, because it is what clients send whose author has set no content type.
//
// The error's code is TooLarge, ReservedHeader or BadRequest.
func ParseHTTPPublish(r HTTPPublish, limits Limits) (messages []ingest.Message, batch bool, err *Error) {
	if limits.MessageBytes > 0 && len(r.Body) > limits.MessageBytes {
		return nil, false, Errorf(TooLarge, "the body is larger than %d bytes (limit message_bytes)", limits.MessageBytes)
	}
	pairs, err := splitQuery(r.RawQuery)
	if err != nil {
		return nil, false, err
	}
	isJSON, err := jsonContent(r.ContentType)
	if err != nil {
		return nil, false, err
	}
	p := &parser{mostRecords: limits.Records}
	message := p.rawRecord(pairs, isJSON)
	if p.failed() {
		return nil, false, p.queryFault()
	}
	if !isJSON {
		if message.Value = r.Body; r.Body == nil {
			message.Value = []byte{} // a value of no bytes is not a tombstone
		}
		messages = []ingest.Message{message}
		if p.idempotencyKey(r.IdempotencyKey, messages, false); p.failed() {
			return nil, false, p.fault()
		}
		return messages, false, nil
	}
	if err := checkText(r.Body, limits); err != nil {
		err.ID = ""
		return nil, false, err
	}
	body := jsonscan.TrimSpace(r.Body)
	if body[0] != '{' {
		return nil, false, Errorf(BadRequest, "the body must be a JSON object")
	}
	messages, batch = p.records(body, func(string, string, []byte) bool { return false })
	if !p.failed() {
		p.idempotencyKey(r.IdempotencyKey, messages, batch)
	}
	if p.failed() {
		return nil, false, p.fault()
	}
	return messages, batch, nil
}

// ParseRecord parses one record in JSON, such as a line of NDJSON, which can end in a line
// end. The message aliases b, which must not be changed while it is in use.
//
// The error's code is TooLarge, ReservedHeader or BadRequest.
func ParseRecord(b []byte, limits Limits) (ingest.Message, *Error) {
	if err := checkText(b, limits); err != nil {
		err.ID = ""
		return ingest.Message{}, err
	}
	object := jsonscan.TrimSpace(b)
	if object[0] != '{' {
		return ingest.Message{}, Errorf(BadRequest, "a record must be a JSON object")
	}
	p := &parser{}
	var r published
	p.fields("", object, func(name, at string, value []byte) bool {
		return p.recordField(&r, name, at, value)
	})
	message := p.message("", &r)
	if p.failed() {
		return ingest.Message{}, p.fault()
	}
	return message, nil
}

func jsonContent(contentType string) (bool, *Error) {
	if contentType == "" {
		return false, nil
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false, &Error{Code: BadRequest, Message: "the content type is malformed", Cause: err}
	}
	switch mediaType {
	case "application/json":
	case "application/x-www-form-urlencoded":
		// curl -d and HTML forms set it, whatever the body is.
		fault := Errorf(BadRequest, "the content type application/x-www-form-urlencoded, which curl -d and HTML forms set by themselves, is not accepted: send the header Content-Type: application/json for a record in JSON, or Content-Type: application/octet-stream to store the body unchanged")
		fault.HTTPStatus = http.StatusUnsupportedMediaType
		return false, fault
	default:
		return false, nil
	}
	// RFC 8259 (section 11) defines no parameter; this one is common.
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return false, Errorf(BadRequest, "JSON must be in UTF-8, not in another charset")
	}
	return true, nil
}

// rawRecord reads key and headers from the query, which must have neither with a
// JSON body.
func (p *parser) rawRecord(pairs []pair, isJSON bool) (m ingest.Message) {
	for _, pair := range pairs {
		header, isHeader := strings.CutPrefix(pair.name, "header.")
		switch {
		case pair.name == "ticket" || pair.name == "access_token":
		case pair.name == "reply" || pair.name == "wait": // see ParseReplyTo
		case isJSON && (pair.name == "key" || pair.name == "ts" || isHeader):
			p.refuse("", "the parameter %s cannot be combined with a JSON body: use the field of the body", Shown(pair.name))
		case pair.name == "key":
			if m.Key != nil {
				p.refuse("/key", "is given twice")
			}
			m.Key = []byte(pair.value)
		case pair.name == "ts":
			if m.Timestamp != 0 {
				p.refuse("/ts", "is given twice")
			}
			m.Timestamp = p.timestamp("/ts", pair.value)
		case isHeader:
			if ingest.ReservedHeader(header) {
				p.refuseAs(ReservedHeader, "", "the parameter %s names a header that is reserved for the server", Shown(pair.name))
			}
			m.Headers = append(m.Headers, record.Header{Name: []byte(header), Value: []byte(pair.value)})
		default:
			p.unknownParameter(pair.name)
		}
	}
	return m
}

// ParseReplyTo reads the parameters `reply` and `wait` of a request that publishes. The
// error's code is BadRequest.
func ParseReplyTo(rawQuery string) (ReplyTo, *Error) {
	pairs, err := splitQuery(rawQuery)
	if err != nil {
		return ReplyTo{}, err
	}
	var to ReplyTo
	p := &parser{}
	seen := map[string]bool{}
	for _, pair := range pairs {
		if pair.name != "reply" && pair.name != "wait" {
			continue
		}
		if seen[pair.name] {
			p.refuse("/"+pair.name, "is given twice")
		}
		seen[pair.name] = true
		p.replyTo(&to, pair.name, "/"+pair.name, pair.value)
	}
	p.checkReplyTo(&to)
	if !p.failed() {
		p.check(&to)
	}
	if p.failed() {
		return ReplyTo{}, p.queryFault()
	}
	return to, nil
}
