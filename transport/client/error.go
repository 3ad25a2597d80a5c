package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Sentinels that errors are told apart by.
var (
	// ErrNotStored: the record is certainly not stored. Where Error.Retryable
	// is set it can be published again.
	ErrNotStored = errors.New("the record is not stored")
	// ErrMaybeStored: the record may be stored or not. Publishing it again may
	// store it twice.
	ErrMaybeStored = errors.New("it is not known whether the record is stored")
	// ErrRunning: the subscription's loop is running already.
	ErrRunning = errors.New("the subscription is running already")
	// ErrDisconnected: there is no connection just now.
	ErrDisconnected = errors.New("not connected")
)

// Error is a refusal, or an end that the server gave a reason for.
type Error struct {
	// Code is the protocol's, such as "forbidden"; "" where the answer had
	// none.
	Code string
	// Message is for people.
	Message string
	// Status is the HTTP status, Close the WebSocket close code; 0 for none.
	Status, Close int
	// Retryable: the same may succeed later, not before RetryAfter.
	Retryable  bool
	RetryAfter time.Duration
	// Violations say what is wrong with a record.
	Violations []Violation
	// Action is what the protocol advises: resume, reauthenticate, resync or
	// stop; "" where the server did not say.
	Action string

	outcome error // ErrNotStored, ErrMaybeStored or nil
	cause   error
}

// Violation is one fault of a record.
type Violation struct {
	// Pointer says where in the value (RFC 6901).
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	write := func(format string, args ...any) {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		fmt.Fprintf(&b, format, args...)
	}
	if e.Code != "" {
		write("%s", e.Code)
	}
	if e.Message != "" {
		write("%s", e.Message)
	}
	for _, v := range e.Violations {
		write("%s %s", v.Pointer, v.Message)
	}
	switch {
	case e.cause != nil:
		write("%v", e.cause)
	case b.Len() == 0 && e.Close != 0:
		write("closed with code %d", e.Close)
	case b.Len() == 0:
		write("HTTP status %d", e.Status)
	}
	return b.String()
}

// Unwrap gives ErrNotStored or ErrMaybeStored for a publish, and what lies
// below.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.outcome, e.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// fault is how the server tells of an error, in messages and bodies.
type fault struct {
	Code         string      `json:"code"`
	Message      string      `json:"message"`
	Detail       string      `json:"detail"`
	Title        string      `json:"title"`
	Retryable    bool        `json:"retryable"`
	RetryAfterMS int64       `json:"retry_after_ms"`
	Action       string      `json:"action"`
	Errors       []Violation `json:"errors"`
	Close        int         `json:"close"`
}

func (f fault) err() *Error {
	e := &Error{
		Code: f.Code, Message: f.Message, Close: f.Close, Retryable: f.Retryable, Action: f.Action,
		RetryAfter: time.Duration(f.RetryAfterMS) * time.Millisecond, Violations: f.Errors,
	}
	for _, text := range []string{f.Detail, f.Title} {
		if e.Message == "" {
			e.Message = text
		}
	}
	return e
}

// httpError makes an error of an answer that is not the wanted one (RFC 9457).
func httpError(res *http.Response, body []byte) *Error {
	var f fault
	// What is not a problem document has no code, and its status says enough.
	_ = json.Unmarshal(body, &f)
	e := f.err()
	e.Status, e.Close = res.StatusCode, 0
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && e.RetryAfter == 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	switch res.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.Retryable = true
	}
	return e
}
