package wire

import (
	"errors"
	"strconv"

	"sluice/hub/event"
	"sluice/hub/jsonscan"
)

// ParseRequest parses a client's WebSocket message. A *Publish aliases b, which
// must not be changed while its messages are in use.
//
// The error has the request's id if one could be read, and a code: TooLarge,
// BadCursor, ReservedHeader or BadRequest. If the message is not UTF-8, for which
// RFC 6455 (section 8.1) closes the connection, it is also jsonscan.ErrNotUTF8.
func ParseRequest(b []byte, limits Limits) (Request, *Error) {
	if err := checkText(b, limits); err != nil {
		return nil, err
	}
	request, id, err := parseRequest(b, limits)
	if err != nil {
		err.ID = id
		return nil, err
	}
	return request, nil
}

func parseRequest(b []byte, limits Limits) (Request, string, *Error) {
	b = jsonscan.TrimSpace(b)
	if b[0] != '{' {
		return nil, "", Errorf(BadRequest, "a message must be a JSON object")
	}
	p := &parser{typed: true, mostRecords: limits.Records}
	id, kind := p.idAndType(b)
	if p.failed() {
		return nil, id, p.fault()
	}
	var request Request
	switch kind {
	case "auth":
		request = p.auth(b)
	case "subscribe":
		request = p.subscribe(b)
	case "unsubscribe":
		request = p.unsubscribe(b)
	case "pause":
		request = &PauseDelivery{ID: p.onlyID(b)}
	case "resume":
		request = &ResumeDelivery{ID: p.onlyID(b)}
	case "ack":
		request = p.ack(b)
	case "publish":
		request = p.publish(b)
	case "ping":
		request = &Ping{ID: p.onlyID(b)}
	case "pong":
		request = &Pong{ID: p.onlyID(b)}
	default:
		return nil, id, Errorf(BadRequest, "unknown message type %s", Shown(kind))
	}
	// A field with the wrong type is not in the struct, and would be reported as
	// missing.
	if !p.failed() {
		p.check(request)
	}
	if p.failed() {
		return nil, id, p.fault()
	}
	return request, id, nil
}

// ParseCursorBody parses the body that moves a named cursor over HTTP,
// {"cursor":"…"}. The error's code is TooLarge, BadCursor or BadRequest.
func ParseCursorBody(b []byte, limits Limits) (string, *Error) {
	if err := checkText(b, limits); err != nil {
		err.ID = ""
		return "", err
	}
	b = jsonscan.TrimSpace(b)
	if b[0] != '{' {
		return "", Errorf(BadRequest, "the body must be a JSON object")
	}
	p := &parser{}
	cursor := p.cursorBody(b)
	if p.failed() {
		return "", p.fault()
	}
	return cursor, nil
}

// checkText checks a message or body against the limits. A fault has the id if
// the message is an object that has one.
func checkText(b []byte, limits Limits) *Error {
	if fault := checkForm(b, limits); fault != nil {
		return fault
	}
	if fault := checkNames(b, limits); fault != nil {
		fault.ID = readID(b)
		return fault
	}
	return nil
}

// checkForm is checkText without the names of fields.
func checkForm(b []byte, limits Limits) *Error {
	if limits.MessageBytes > 0 && len(b) > limits.MessageBytes {
		return Errorf(TooLarge, "the message is larger than %d bytes (limit message_bytes)", limits.MessageBytes)
	}
	depth := limits.Depth
	if depth <= 0 || depth > event.MaxDataDepth {
		depth = event.MaxDataDepth
	}
	switch err := jsonscan.Check(b, depth); {
	case errors.Is(err, jsonscan.ErrTooDeep):
		fault := Errorf(BadRequest, "the message nests deeper than %d (limit json_depth)", depth)
		fault.ID, fault.Cause = readID(b), err
		return fault
	case err != nil:
		return &Error{Code: BadRequest, Message: err.Error(), Cause: err}
	}
	return nil
}

// CheckJSON checks a message or body against the limits. The error's code is TooLarge or
// BadRequest.
func CheckJSON(b []byte, limits Limits) *Error {
	fault := checkText(b, limits)
	if fault != nil {
		fault.ID = ""
	}
	return fault
}

// CheckJSONArray is CheckJSON for an array of messages, which it returns. The array itself
// is not counted in their depth.
func CheckJSONArray(b []byte, limits Limits) ([][]byte, *Error) {
	deeper := limits
	if deeper.Depth > 0 {
		deeper.Depth++
	}
	if fault := checkForm(b, deeper); fault != nil {
		return nil, fault
	}
	b = jsonscan.TrimSpace(b)
	if b[0] != '[' {
		return nil, Errorf(BadRequest, "the body must be a JSON array")
	}
	var all [][]byte
	for element := range jsonscan.Elements(b) {
		if limits.Records > 0 && len(all) >= limits.Records {
			return nil, Errorf(TooLarge, "the body has more than %d entries (limit batch_records): send several batches", limits.Records)
		}
		if err := jsonscan.CheckNames(element, limits.Keys); err != nil {
			return nil, namesFault(err, "entry "+strconv.Itoa(len(all)), limits.Keys)
		}
		all = append(all, element)
	}
	return all, nil
}

// readID returns the id in a faulty message, if there is exactly one.
func readID(b []byte) string {
	found := ""
	if b = jsonscan.TrimSpace(b); len(b) == 0 || b[0] != '{' {
		return ""
	}
	for rawName, value := range jsonscan.Members(b) {
		if name, _ := fieldName(rawName); name != "id" {
			continue
		}
		id, ok := jsonscan.Unquote(value)
		if !ok || found != "" || !validID(id) {
			return ""
		}
		found = id
	}
	return found
}
