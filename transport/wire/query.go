package wire

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Endpoint is one of the endpoints that read streams.
type Endpoint uint8

// The endpoints.
const (
	// EndpointWS is GET /v1/ws.
	EndpointWS Endpoint = 1 + iota
	// EndpointEvents is GET /v1/events, whose streams are parameters.
	EndpointEvents
	// EndpointStreamEvents is GET /v1/streams/{stream}/events.
	EndpointStreamEvents
	// EndpointRecords is GET /v1/streams/{stream}/records, a page.
	EndpointRecords
)

const (
	// DefaultPageLimit is the default maximum of records in a page.
	DefaultPageLimit = 100
	// MaxPageLimit is the largest number of records that a page can be asked for.
	MaxPageLimit = 1000
	// maxPing keeps the requested interval reasonable; the configuration's bounds
	// are narrower.
	maxPing = 24 * time.Hour
)

// Query holds the query parameters of a request that reads.
type Query struct {
	// Streams holds the parameters `stream`: one or more at EndpointEvents, at
	// most one at EndpointWS, else none.
	Streams []string `json:"stream" validate:"unique,dive,required,max=128"`
	Reading
	// LastEventID is the value of the header or, without it, of the parameter: a
	// cursor, LastEventIDEnd, or empty.
	LastEventID string `json:"last_event_id"`
	// ErrorsInStream means that faults are reported as events in a response with
	// status 200.
	ErrorsInStream bool `json:"errors"`
	// Limit is the maximum number of records in a page.
	Limit int `json:"limit"`
	// Wait is how long an empty page is held back.
	Wait time.Duration `json:"wait"`
	// Ping is the ping interval that the client asks for, 0 for the server's
	// default.
	Ping time.Duration `json:"ping"`
}

// ParseQuery parses the query of a request to one of the endpoints that read, and
// with it the header Last-Event-ID, empty if there is none. Parameters for
// credentials, `ticket` and `access_token`, are ignored.
//
// Parameters that the endpoint does not have are refused by name, and so are
// repeated ones, except `key` and `stream`. The error's code is BadRequest or
// BadCursor. LastEventID and ErrorsInStream are valid even with an error: they
// determine how to report it.
func ParseQuery(rawQuery string, endpoint Endpoint, lastEventID string) (Query, *Error) {
	q := Query{LastEventID: lastEventID}
	if endpoint == EndpointRecords {
		q.Limit = DefaultPageLimit
	}
	pairs, err := splitQuery(rawQuery)
	p := &parser{}
	seen := map[string]bool{}
	for _, pair := range pairs {
		name := pair.name
		switch {
		case !endpoint.has(name):
			p.unknownParameter(name)
		case seen[name] && name != "key" && name != "stream":
			p.refuse("/"+name, "is given twice")
		case !utf8.ValidString(pair.value):
			// It would match no record, and is another value once it has been in JSON.
			p.refuse("/"+name, "is not UTF-8")
		default:
			seen[name] = true
			p.parameter(&q, name, pair.value)
		}
	}
	if lastEventID != "" {
		q.LastEventID = lastEventID
	}
	if err != nil {
		return q, err
	}
	if q.LastEventID != LastEventIDEnd {
		p.cursor("/last_event_id", q.LastEventID)
	}
	p.checkStreams(endpoint, &q, seen)
	p.checkReading("", &q.Reading)
	if !p.failed() {
		p.check(&q)
	}
	if p.failed() {
		return q, p.queryFault()
	}
	return q, nil
}

// ParsePlainQuery parses the query of a request to an endpoint that has no
// parameters, except possibly `reset`. Parameters for credentials are ignored,
// others are refused by name.
func ParsePlainQuery(rawQuery string, hasReset bool) (reset bool, err *Error) {
	pairs, err := splitQuery(rawQuery)
	if err != nil {
		return false, err
	}
	p := &parser{}
	seen := false
	for _, pair := range pairs {
		switch {
		case pair.name == "ticket" || pair.name == "access_token":
		case pair.name != "reset" || !hasReset:
			p.unknownParameter(pair.name)
		case seen:
			p.refuse("/reset", "is given twice")
		default:
			seen = true
			reset = p.truth("/reset", pair.value)
		}
	}
	if p.failed() {
		return false, p.queryFault()
	}
	return reset, nil
}

// has reports whether the endpoint has the parameter.
func (e Endpoint) has(name string) bool {
	switch name {
	case "stream":
		return e == EndpointWS || e == EndpointEvents
	case "last_event_id", "errors":
		return e == EndpointEvents || e == EndpointStreamEvents
	case "limit", "wait":
		return e == EndpointRecords
	case "ping":
		return e == EndpointWS
	case "from", "key", "key_prefix", "filter", "cursor_name", "reset", "on_gap", "heartbeat", "ticket", "access_token":
		return true
	}
	return strings.HasPrefix(name, headerPrefix)
}

// parameter reads one parameter that the endpoint has. Those for credentials are
// read elsewhere.
func (p *parser) parameter(q *Query, name, value string) {
	at := "/" + name
	switch name {
	case "stream":
		q.Streams = append(q.Streams, value)
	case "from":
		q.From = p.from(at, restorePlus(value))
	case "key":
		q.Keys = append(q.Keys, value)
	case "key_prefix":
		if q.KeyPrefix = value; value == "" {
			p.refuse(at, "is empty")
		}
	case "filter":
		if q.Filter = value; value == "" {
			p.refuse(at, "is empty")
		}
	case "cursor_name":
		if q.CursorName = value; value == "" {
			p.refuse(at, "is empty")
		}
	case "reset":
		q.Reset = p.truth(at, value)
	case "on_gap":
		if q.OnGap = OnGap(value); value == "" {
			p.refuse(at, "is empty")
		}
	case "heartbeat":
		q.Heartbeat = p.span(at, value, MinHeartbeat, MaxHeartbeat)
	case "last_event_id":
		q.LastEventID = value
	case "errors":
		if q.ErrorsInStream = value == "stream"; !q.ErrorsInStream {
			p.refuse(at, "must be stream")
		}
	case "limit":
		q.Limit = p.count(at, value, MaxPageLimit)
	case "wait":
		if value != "0" && value != "0s" {
			q.Wait = p.span(at, value, time.Millisecond, MaxWait)
		}
	case "ping":
		q.Ping = p.span(at, value, time.Second, maxPing)
	case "ticket", "access_token":
	default:
		p.headerIs(&q.Reading, name, "", value)
	}
}

func (p *parser) unknownParameter(name string) {
	p.refuse("", "unknown parameter %s", Shown(name))
}

// checkStreams checks the parameters `stream` against the endpoint.
func (p *parser) checkStreams(endpoint Endpoint, q *Query, seen map[string]bool) {
	if q.From.Kind == StartOffset && (len(q.Streams) > 1 || len(q.Streams) == 1 && IsPattern(q.Streams[0])) {
		p.refuse("/from", "offset: is for one stream")
	}
	switch {
	case endpoint == EndpointEvents && len(q.Streams) == 0:
		p.refuse("/stream", "is required")
	case endpoint == EndpointWS && len(q.Streams) > 1:
		p.refuse("/stream", "is given twice: send a subscribe for each stream")
	case endpoint == EndpointWS && len(q.Streams) == 0:
		for _, name := range [...]string{"from", "key", "key_prefix", "filter", "cursor_name", "reset", "on_gap", "heartbeat"} {
			if seen[name] {
				p.refuse("/"+name, "requires the parameter stream")
			}
		}
		if len(q.Headers) > 0 {
			p.refuse("", "the parameter %s requires the parameter stream", Shown(headerPrefix+q.Headers[0].Name))
		}
	}
}

// queryFault returns the error for a query: it names parameters in its message,
// because JSON pointers do not apply to them.
func (p *parser) queryFault() *Error {
	messages := make([]string, 0, len(p.violations))
	for _, v := range p.violations {
		message := v.Message
		if name, _, _ := strings.Cut(strings.TrimPrefix(v.Pointer, "/"), "/"); name != "" {
			message = "the parameter " + name + ": " + message
		}
		messages = append(messages, message)
	}
	return &Error{Code: p.code, Message: strings.Join(messages, "; ")}
}

func (p *parser) truth(pointer, value string) bool {
	switch value {
	case "true", "1":
		return true
	case "false", "0":
	default:
		p.refuse(pointer, "must be true or false")
	}
	return false
}

func (p *parser) count(pointer, value string, most int) int {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n < 1 || n > uint64(most) {
		p.refuse(pointer, "must be a number from 1 to %d", most)
		return 0
	}
	return int(n)
}

// restorePlus restores an unescaped `+` in the offset of a time:
// `…T12:00:00+02:00` arrives with a space.
func restorePlus(value string) string {
	if i := strings.LastIndexByte(value, ' '); i > 0 && len(value)-i == len(" 02:00") {
		return value[:i] + "+" + value[i+1:]
	}
	return value
}

// pair is a parameter. The order of parameters matters if they are headers.
type pair struct{ name, value string }

// splitQuery splits a query into its parameters, in order. It returns what it
// could read even with an error.
func splitQuery(raw string) (pairs []pair, err *Error) {
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(part, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		if nameErr != nil || valueErr != nil || !utf8.ValidString(name) {
			err = Errorf(BadRequest, "the query is not escaped correctly")
			continue
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs, err
}
