package wire

import (
	"fmt"
	"math"
	"net/http"
	"time"
)

// ProblemType is the media type of a problem body (RFC 9457).
const ProblemType = "application/problem+json"

// Error is a fault as it is reported to a client. All of it but Cause is sent to
// the client.
type Error struct {
	// ID is the id of the faulty request, empty if none could be read.
	ID      string
	Code    Code
	Message string
	// HTTPStatus is a status other than the code's, if HTTP itself requires one;
	// 0 for the code's.
	HTTPStatus int
	// RetryAfter is how long to wait before the next attempt, 0 for no hint.
	RetryAfter time.Duration
	// Final means that the same request can never succeed, even if faults with this code
	// can pass.
	Final bool
	// Again means that the same request can be sent again, even if faults with this code say
	// nothing about that: its record has a message id.
	Again bool
	// Errors are the individual violations, if there are any.
	Errors []Violation
	// Links are where a client that is lost finds more, in a problem only.
	Links []Link
	// SubscriptionID is, for AlreadySubscribed, the subscription that has the
	// feed.
	SubscriptionID string
	// Cause is for logs, and for errors.Is and errors.As.
	Cause error
}

// Link is a path of the server, by name.
type Link struct{ Name, Target string }

// Violation is one thing that is wrong with a request.
type Violation struct {
	// Pointer is the location, as a JSON pointer (RFC 6901): for Invalid within
	// the record's data, else within the message.
	Pointer string
	Message string
}

// Errorf returns an Error with a message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error returns code and message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Retryable reports whether the same request can succeed later.
func (e *Error) Retryable() bool { return !e.Final && (e.Again || e.Code.Info().Retryable) }

// Action returns what the client should do.
func (e *Error) Action() Action {
	switch action := e.Code.Info().Action; {
	case e.Final:
		return Stop
	case e.Again && action == "":
		return Resume
	default:
		return action
	}
}

// Append appends a WebSocket message of type error.
func (e *Error) Append(dst []byte) []byte {
	o := openMessage(dst, "error")
	o.textIf("id", e.ID)
	e.appendFields(&o)
	o.textIf("subscription_id", e.SubscriptionID)
	return o.close()
}

// AppendBody appends an object with the fields of the message: the answer to one of the
// records of a body.
func (e *Error) AppendBody(dst []byte) []byte {
	o := openObject(dst)
	e.appendFields(&o)
	return o.close()
}

// AppendClosing appends the last answer to a body whose records are answered while it
// arrives: why it is read no further.
func (e *Error) AppendClosing(dst []byte) []byte {
	o := openMessage(dst, "closing")
	e.appendFields(&o)
	return o.close()
}

// appendFields appends the fields of an error that are the same in messages and
// in the results of a batch.
func (e *Error) appendFields(o *object) {
	o.text("code", string(e.Code))
	o.textIf("message", e.Message)
	e.appendAdvice(o)
}

// appendAdvice appends what the client should do, and what it did wrong.
func (e *Error) appendAdvice(o *object) {
	o.flag("retryable", e.Retryable())
	o.textIf("action", string(e.Action()))
	o.millisIf("retry_after_ms", e.RetryAfter)
	if len(e.Errors) > 0 {
		o.violations("errors", e.Errors)
	}
}

// Status returns the HTTP status of a response with this fault.
func (e *Error) Status() int {
	if e.HTTPStatus != 0 {
		return e.HTTPStatus
	}
	if e.Final {
		return http.StatusBadRequest // clients repeat requests by themselves with other statuses
	}
	if status := e.Code.Info().HTTP; status != 0 {
		return status
	}
	return http.StatusInternalServerError
}

// RetryAfterSeconds returns the value of a Retry-After header (RFC 9110, section
// 10.2.3), rounded up, 0 if there is no hint.
func (e *Error) RetryAfterSeconds() int {
	return int(math.Ceil(e.RetryAfter.Seconds()))
}

// AppendProblem appends a body of type ProblemType. As the problem's type is the
// implied about:blank, its title is that of the status.
func (e *Error) AppendProblem(dst []byte) []byte {
	status := e.Status()
	o := openObject(dst)
	o.text("title", http.StatusText(status))
	o.number("status", int64(status))
	o.textIf("detail", e.Message)
	o.text("code", string(e.Code))
	e.appendAdvice(&o)
	if len(e.Links) > 0 {
		o.links(e.Links)
	}
	return o.close()
}

func (o *object) links(all []Link) {
	o.name("links")
	links := openObject(o.buf)
	for _, l := range all {
		links.text(l.Name, l.Target)
	}
	o.buf = links.close()
}

func (o *object) violations(name string, all []Violation) {
	o.name(name)
	o.buf = append(o.buf, '[')
	for i, v := range all {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		entry := openObject(o.buf)
		entry.text("pointer", v.Pointer)
		entry.text("message", v.Message)
		o.buf = entry.close()
	}
	o.buf = append(o.buf, ']')
}
