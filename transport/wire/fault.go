package wire

import (
	"fmt"
	"math"
	"net/http"
	"time"
)

// ProblemType is the media type of a problem body (RFC 9457).
const ProblemType = "application/problem+json"

// Error is a fault as a client is told about it. Nothing in it but Cause is
// kept from the client.
type Error struct {
	// ID is the id of the request at fault, empty where none could be read.
	ID      string
	Code    Code
	Message string
	// HTTPStatus is a status other than the code's, where HTTP itself asks for
	// one; 0 for the code's.
	HTTPStatus int
	// RetryAfter is how long to wait before coming back, 0 for no hint.
	RetryAfter time.Duration
	// Errors are the single violations, where there are any.
	Errors []Violation
	// SubscriptionID is, for AlreadySubscribed, the subscription that has the
	// feed.
	SubscriptionID string
	// Cause is for logs, and for errors.Is and errors.As.
	Cause error
}

// Violation is one thing that is wrong with a request.
type Violation struct {
	// Pointer is where, as a JSON pointer (RFC 6901): for Invalid within the
	// record's data, else within the message.
	Pointer string
	Message string
}

// Errorf makes an Error with a message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error gives code and message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Retryable reports whether the same request can succeed later.
func (e *Error) Retryable() bool { return e.Code.Info().Retryable }

// Append appends the WebSocket message of type error.
func (e *Error) Append(dst []byte) []byte {
	o := openMessage(dst, "error")
	o.textIf("id", e.ID)
	e.appendFields(&o)
	o.textIf("subscription_id", e.SubscriptionID)
	return o.close()
}

// appendFields appends what an error has in messages and in the results of a
// batch.
func (e *Error) appendFields(o *object) {
	o.text("code", string(e.Code))
	o.textIf("message", e.Message)
	o.flag("retryable", e.Retryable())
	o.millisIf("retry_after_ms", e.RetryAfter)
	if len(e.Errors) > 0 {
		o.violations("errors", e.Errors)
	}
}

// Status is the HTTP status of a response that is this fault.
func (e *Error) Status() int {
	if e.HTTPStatus != 0 {
		return e.HTTPStatus
	}
	if status := e.Code.Info().HTTP; status != 0 {
		return status
	}
	return http.StatusInternalServerError
}

// RetryAfterSeconds is the value of a Retry-After header (RFC 9110, section
// 10.2.3), rounded up, and 0 where none is due.
func (e *Error) RetryAfterSeconds() int {
	return int(math.Ceil(e.RetryAfter.Seconds()))
}

// AppendProblem appends the body of type ProblemType. As its type is the
// implied about:blank, its title is the status's own.
func (e *Error) AppendProblem(dst []byte) []byte {
	status := e.Status()
	o := openObject(dst)
	o.text("title", http.StatusText(status))
	o.number("status", int64(status))
	o.textIf("detail", e.Message)
	o.text("code", string(e.Code))
	o.flag("retryable", e.Retryable())
	o.textIf("action", string(e.Code.Info().Action))
	o.millisIf("retry_after_ms", e.RetryAfter)
	if len(e.Errors) > 0 {
		o.violations("errors", e.Errors)
	}
	return o.close()
}
