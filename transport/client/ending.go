package client

import (
	"errors"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// Actions that the server advises.
const (
	actionStop           = "stop"
	actionResume         = "resume"
	actionReauthenticate = "reauthenticate"
	actionResync         = "resync"
)

// reasonMoved is why a subscription ends whose named cursor an operator has moved.
const reasonMoved = "moved"

// verdict is what to do after a connection has ended.
type verdict int

const (
	// stop: reconnecting makes no sense.
	stop verdict = iota
	// resume: reconnect.
	resume
	// renew: reconnect with a new token, if the client has a token source.
	renew
	// restart: reconnecting with the position makes no sense. The caller decides
	// whether to start without it.
	restart
	// finish: the server has ended the subscription normally.
	finish
)

// ending describes why a connection ended.
type ending struct {
	verdict verdict
	err     error
	// after is how long the server asks the client to wait.
	after time.Duration
	// exact means that the server has already spread its clients: no backoff is
	// added to after.
	exact bool
	// worked means that the connection delivered something, so the backoff begins
	// again.
	worked bool
}

// attempts counts the attempts in a row that have failed.
type attempts struct {
	wait     backoff
	renewals int
	// reached is set once the server was reached as it is addressed. What keeps it from being
	// reached after that is a matter of its operators, and can pass: a certificate that is to be
	// renewed, a load balancer that begins without its own.
	reached bool
}

// after returns how long to wait after an ending.
func (a *attempts) after(end ending) time.Duration {
	if end.exact {
		return end.after
	}
	return end.after + a.wait.next()
}

// judge begins anew after an ending of a connection that worked, and lets pass what can.
func (a *attempts) judge(end *ending) {
	if end.verdict == stop && a.reached && isUnreachable(end.err) {
		end.verdict = resume
	}
	if end.worked {
		a.wait.reset()
		a.renewals = 0
	}
}

// byAction returns the verdict for what the server advises; ok is false if it advises
// nothing.
func byAction(action string) (v verdict, ok bool) {
	switch action {
	case "":
		return stop, false
	case actionResume:
		return resume, true
	case actionReauthenticate:
		return renew, true
	case actionResync:
		return restart, true
	}
	return stop, true
}

// afterHandshake classifies a failed handshake.
func afterHandshake(err error, res *http.Response, body []byte) ending {
	var lasting error
	if res == nil {
		lasting = Unreachable(err)
	} else {
		lasting = UnreachableBy(res, body)
	}
	switch {
	case lasting != nil:
		return ending{verdict: stop, err: lasting}
	case res == nil, res.StatusCode == http.StatusSwitchingProtocols:
		return ending{verdict: resume, err: err}
	}
	e := httpError(res, body)
	end := ending{err: e, after: e.RetryAfter}
	switch {
	case e.Retryable:
		end.verdict = resume
	case res.StatusCode == http.StatusUnauthorized && e.Action != actionStop:
		end.verdict = renew
	case e.Action == actionResync:
		end.verdict = restart
	}
	return end
}

// afterClose classifies the end of a connection by the error with which reading
// ended, and by the server's closing message, if there was one.
func afterClose(err error, closing *message) ending {
	code := websocket.CloseStatus(err)
	if closing == nil {
		if code == websocket.StatusNormalClosure {
			return ending{verdict: finish}
		}
		if code < 0 || errors.Is(err, websocket.ErrMessageTooBig) {
			return ending{verdict: byError(err), err: err}
		}
		return ending{verdict: byCode(code), err: &Error{Close: int(code), Message: closeReason(err), cause: err}}
	}
	e := closing.err()
	if e.Close == 0 && code > 0 {
		e.Close = int(code)
	}
	end := ending{err: e, after: e.RetryAfter}
	var advised bool
	if end.verdict, advised = byAction(closing.Action); !advised {
		end.verdict = byCode(websocket.StatusCode(e.Close))
	}
	e.Retryable = end.verdict == resume
	return end
}

func closeReason(err error) string {
	var ce websocket.CloseError
	if errors.As(err, &ce) {
		return ce.Reason
	}
	return ""
}

// byError classifies an end without a close frame, which is 1006 in a browser.
func byError(err error) verdict {
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return stop
	}
	return resume
}

// byCode implements the protocol's table of close codes.
func byCode(code websocket.StatusCode) verdict {
	switch code {
	case websocket.StatusNormalClosure:
		return finish
	case websocket.StatusGoingAway, websocket.StatusNoStatusRcvd, websocket.StatusAbnormalClosure,
		websocket.StatusInternalError, websocket.StatusServiceRestart, websocket.StatusTryAgainLater:
		return resume
	case 4201: // token_expired
		return renew
	}
	if code >= 4300 && code <= 4399 {
		// The position is void. Reconnecting with it would fail in the same way
		// forever.
		return restart
	}
	if code >= 4000 && code <= 4499 {
		return resume
	}
	return stop
}

// refusal classifies an error in response to subscribe.
func refusal(m *message) ending {
	e := m.err()
	end := ending{err: e, after: e.RetryAfter}
	var advised bool
	end.verdict, advised = byAction(m.Action)
	switch {
	case advised:
	case m.Retryable:
		end.verdict = resume
	case m.Code == "token_expired":
		end.verdict = renew
	}
	return end
}

// unsubscribed classifies the end of the subscription while the session
// continues.
func unsubscribed(m *message) ending {
	e := m.err()
	if e.Code == "" {
		e.Code = m.Reason
	}
	end := ending{err: e, after: e.RetryAfter}
	switch {
	case m.Retryable && m.Reason != "requested":
		end.verdict = resume
	case m.Reason == ReasonRetention, m.Reason == ReasonLogChanged, m.Reason == ReasonTruncated, m.Reason == reasonMoved:
		end.verdict = restart
	}
	return end
}
