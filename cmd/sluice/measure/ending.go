package measure

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/tidwall/gjson"

	"sluice/transport/client"
)

// ended says why the server has refused or ended a subscription.
type ended struct {
	code string
	// message is what the server says to people, "" for nothing.
	message string
	// stop is set where coming back makes no sense, void where it does without the position.
	stop, void bool
	// after is how long the server wants the client to stay away.
	after time.Duration
}

func (e *ended) Error() string {
	if e.message == "" {
		return e.code
	}
	return e.code + ": " + e.message
}

// Unwrap returns what the client says of such a refusal.
func (e *ended) Unwrap() error { return &client.Error{Code: e.code, Message: e.message} }

// errMoved ends a connection that the server has asked to leave.
var errMoved = errors.New("the server asked to reconnect")

// endedBy returns why a message ends the subscription.
func endedBy(message []byte, code string) *ended {
	text := gjson.GetBytes(message, "message").Str
	if text == "" {
		text = gjson.GetBytes(message, "detail").Str // of a problem over HTTP
	}
	e := &ended{code: code, message: text, after: time.Duration(gjson.GetBytes(message, "retry_after_ms").Int()) * time.Millisecond}
	switch action := gjson.GetBytes(message, "action").Str; {
	case action != "":
		e.stop, e.void = action == "stop", action == "resync"
	case gjson.GetBytes(message, "retryable").Bool():
	case gjson.GetBytes(message, "type").Str == "closing":
		e.stop, e.void = byClose(int(gjson.GetBytes(message, "close").Int()))
	default:
		e.void = slices.Contains([]string{"retention", "log_changed", "truncated"}, code)
		e.stop = !e.void && code != "token_expired"
	}
	return e
}

// byClose implements the protocol's table of close codes.
func byClose(code int) (stop, void bool) { return code >= 4500, code >= 4300 && code < 4400 }

// refusal returns the error of a response that refuses a connection.
func refusal(res *http.Response, body []byte) error {
	if err := client.UnreachableBy(res, body); err != nil {
		return err
	}
	if code := gjson.GetBytes(body, "code").Str; code != "" {
		return endedBy(body, code)
	}
	// A proxy that has answered knows nothing of codes.
	return &ended{
		code: fmt.Sprintf("%d %s, which is no answer of Sluice", res.StatusCode, http.StatusText(res.StatusCode)),
		stop: res.StatusCode >= http.StatusBadRequest && res.StatusCode <= http.StatusNotFound,
	}
}

// endingOf returns why a connection has ended.
func endingOf(err error) *ended {
	if e, ok := errors.AsType[*ended](err); ok {
		return e
	}
	e := &ended{code: reason(err), stop: client.Unreachable(err) != nil || errors.Is(err, client.ErrNoToken)}
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		e.stop, e.void = byClose(int(closed.Code))
	}
	return e
}

// reason shortens an error, so that equal faults of different clients count as one.
func reason(err error) string {
	if err == nil {
		return "end of stream"
	}
	// Addresses of sockets differ: what follows them is what happened.
	text := err.Error()
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		text = wrapped.Err.Error()
	}
	if i := strings.LastIndex(text, "->"); i >= 0 {
		if _, after, ok := strings.Cut(text[i:], ": "); ok {
			text = after
		}
	}
	return text
}
