package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Sentinel errors.
var (
	// ErrNotStored means that the record is certainly not stored. If
	// Error.Retryable is set, it can be published again.
	ErrNotStored = errors.New("the record is not stored")
	// ErrMaybeStored means that the record may be stored or not. Publishing it
	// again may store it twice, unless it has an ID: then Error.Retryable is set.
	ErrMaybeStored = errors.New("unknown whether the record is stored")
	// ErrNoToken, wrapped in the error of a Config.Token, means that there is none, and
	// that trying again makes no sense.
	ErrNoToken = errors.New("there is no token")
	// ErrRunning means that the subscription's loop is already running.
	ErrRunning = errors.New("the subscription is running already")
	// ErrDisconnected means that there is no connection at present.
	ErrDisconnected = errors.New("not connected")
)

// Error is a refusal by the server, or an end for which the server gave a reason.
type Error struct {
	// Code is the protocol's code, such as "forbidden"; "" if the response had
	// none.
	Code string
	// Message is a text for humans.
	Message string
	// Status is the HTTP status, Close the WebSocket close code; 0 for none.
	Status, Close int
	// Retryable means that the same request may succeed later, but not before
	// RetryAfter.
	Retryable  bool
	RetryAfter time.Duration
	// Violations describe what is wrong with a record.
	Violations []Violation
	// Action is what the protocol advises: resume, reauthenticate, resync or
	// stop; "" if the server gave no advice.
	Action string

	outcome error // ErrNotStored, ErrMaybeStored or nil
	cause   error
}

// Violation is one thing that is wrong with a record.
type Violation struct {
	// Pointer is the JSON pointer to it in the value (RFC 6901).
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
	for i, v := range e.Violations {
		if i == 0 && strings.Contains(e.Message, v.Message) {
			continue // the message is made of it
		}
		write("%s", strings.TrimPrefix(v.Pointer+" "+v.Message, " "))
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

// Unwrap returns ErrNotStored or ErrMaybeStored for a publish, and the underlying
// error.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.outcome, e.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// fault holds the fields of an error in the server's messages and bodies.
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
		RetryAfter: milliseconds(f.RetryAfterMS), Violations: f.Errors,
	}
	for _, text := range []string{f.Detail, f.Title} {
		if e.Message == "" {
			e.Message = text
		}
	}
	return e
}

// longest is the longest time that a server's word is taken for: what does not fit into a
// time.Duration would become negative, and no wait at all.
const longest = 366 * 24 * time.Hour

// milliseconds returns a time of the server, which may have sent anything.
func milliseconds(ms int64) time.Duration {
	return time.Duration(min(max(ms, 0), longest.Milliseconds())) * time.Millisecond
}

// httpError returns the error for an HTTP response other than the expected one
// (RFC 9457).
func httpError(res *http.Response, body []byte) *Error {
	var f fault
	// A body that is not a problem document has no code, and its status says
	// enough.
	_ = json.Unmarshal(body, &f)
	e := f.err()
	e.Status, e.Close = res.StatusCode, 0
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && e.RetryAfter == 0 {
		e.RetryAfter = milliseconds(int64(min(seconds, math.MaxInt32)) * 1000)
	}
	if e.Code == "" {
		e.Message = foreign(res, e.Message)
		// A portal answers like this until its user has logged in.
		e.Retryable = res.StatusCode < http.StatusBadRequest
	}
	switch res.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.Retryable = true
	}
	return e
}

// foreign describes a response that is not the server's.
func foreign(res *http.Response, message string) string {
	text := fmt.Sprintf("HTTP status %d, which is no answer of Sluice", res.StatusCode)
	if message != "" {
		text += ": " + message
	}
	if to := redirection(res); to != nil {
		text += ": a redirect to " + to.Redacted()
	}
	if res.StatusCode < http.StatusInternalServerError {
		text += "; is the URL right?"
	}
	return text
}
