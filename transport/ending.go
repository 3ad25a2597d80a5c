package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/hub"
	"sluice/hub/cursors"
	"sluice/hub/record"
	"sluice/transport/wire"
)

// ending is why a session is closed, and what its client is sent.
type ending struct {
	// fault is the fault that is sent, counted and logged; nil if the client itself
	// has closed.
	fault  *wire.Error
	action wire.Action
	// counted is set if the fault has already been counted and logged.
	counted bool
	// closeCode and reason are those of a WebSocket's close frame.
	closeCode int
	reason    string
}

// endByFault returns the ending for a fault, according to the table of codes.
func endByFault(fault *wire.Error) ending {
	info := fault.Code.Info()
	code := info.Close
	if code == 0 {
		code = wire.Internal.Info().Close
	}
	if fault.Final {
		code = wire.BadRequest.Info().Close
	}
	return ending{fault: fault, action: fault.Action(), closeCode: code, reason: fault.Message}
}

// endByProtocol returns an ending of a WebSocket with a close code that RFC 6455
// defines.
func endByProtocol(closeCode int, reason string) ending {
	return ending{fault: wire.Errorf(wire.BadRequest, "%s", reason), action: wire.Stop, closeCode: closeCode, reason: reason}
}

// endByClient returns the ending that answers a client's close frame with the
// client's own code.
func endByClient(closeCode int) ending {
	if closeCode == websocketNoStatus {
		closeCode = wire.CloseFinished
	}
	return ending{closeCode: closeCode}
}

// Endings by time.

func endExpired() ending {
	return endByFault(wire.Errorf(wire.TokenExpired, "the token has expired: reconnect with a new token"))
}

func endRevoked() ending { return endByFault(faultOf(auth.ErrRevoked)) }

// endDrained returns the ending of a session that is drained, with the instance or by an
// operator.
func (s *session) endDrained() ending {
	why := "this instance is shutting down: reconnect to another one"
	if !s.server.draining.Load() {
		why = "an operator of the server asks the client to reconnect"
	}
	return endByFault(&wire.Error{Code: wire.Draining, Message: why, RetryAfter: s.server.comeBack()})
}

func endKicked() ending {
	return endByFault(wire.Errorf(wire.Kicked, "an operator of the server has ended the session"))
}

// endUnauthenticated returns the ending for a client that has sent nothing.
func (s *session) endUnauthenticated() ending {
	advice := "send auth with a token as the first message, or the credential with the handshake"
	if _, err := s.server.config.Auth.Anonymous(networkOf(s.address), s.ws.tenant); err == nil {
		advice = "send a first message: auth with a token, or any other, such as subscribe, to read what needs no credential"
		if s.ws.query != nil && len(s.ws.query.Streams) > 0 { // else it would have opened the session
			advice = "the stream of the query cannot be read without a token: check its name, or send auth with a token"
		}
	}
	return endByFault(wire.Errorf(wire.AuthTimeout, "no message was received in time: %s", advice))
}

func endNoPong() ending {
	return endByFault(wire.Errorf(wire.NoPong, "nothing was received since the last ping"))
}

// Endings caused by a client's messages.

func endTooLarge(most int) ending {
	return endByFault(wire.Errorf(wire.TooLarge, "the message is larger than %d bytes", most))
}

func endTooManyFaults(most int) ending {
	return endByFault(wire.Errorf(wire.TooManyErrors, "more than %d requests failed in a minute", most))
}

// endPanicked returns the ending for a session one of whose requests panicked.
// notePanic has already counted the fault.
func endPanicked() ending {
	e := endByFault(wire.Errorf(wire.Internal, "internal server error"))
	e.counted = true
	return e
}

func endNotUTF8() ending {
	return endByProtocol(wire.CloseInvalidText, "the message is not UTF-8")
}

func endBadCompression() ending {
	return endByProtocol(wire.CloseProtocolError, "the compression of the message violates RFC 7692")
}

// endWrongType returns the ending for a message of the type (text or binary) that
// the dialect does not use.
func endWrongType(binary bool) ending {
	if binary {
		return endByProtocol(wire.CloseUnsupported, "messages must be binary")
	}
	return endByProtocol(wire.CloseUnsupported, "messages must be text")
}

// endOfReading chooses how the session ends when the reading of its WebSocket has
// ended with err. ok is false if the connection has ended, so that nothing can be
// sent.
func (s *session) endOfReading(err error) (e ending, ok bool) {
	switch input := s.ws.input; {
	case input.tooLarge:
		return endTooLarge(s.server.limits().MessageBytes), true
	case s.ws.flooded, errors.Is(err, errFlood), errors.Is(err, context.DeadlineExceeded):
		return endByProtocol(wire.CloseFlood, "too many control frames, or a message took too long to arrive"), true
	case input.closeCode == websocketNoStatus, errors.As(err, new(websocket.CloseError)):
		if !utf8.ValidString(input.closeReason) {
			return endByProtocol(wire.CloseInvalidText, "the reason of the close is not UTF-8"), true
		}
		return endByClient(input.closeCode), true
	case input.closeCode != 0:
		return endByProtocol(input.closeCode, input.closeReason), true
	case isProtocolError(err):
		return endByProtocol(wire.CloseProtocolError, "the frame violates RFC 6455"), true
	}
	return ending{}, false
}

// subscriptionEnd is why a subscription ends: the reason that is sent to a client
// that converses, and the fault with which the session of any other client ends.
type subscriptionEnd struct {
	reason wire.Reason
	fault  *wire.Error
	// withSession ends the session with the subscription if the session carries
	// nothing else.
	withSession bool
}

// message says why, for people.
func (e *subscriptionEnd) message() string {
	if e.fault == nil {
		return ""
	}
	return e.fault.Message
}

// endOf returns the end of a subscription that the hub has ended.
func endOf(sub *subscription) subscriptionEnd {
	ended, reason := wire.ReasonError, sub.Ended()
	switch reason {
	case hub.FilterFailed:
		ended = wire.ReasonFilterFailed
	case hub.StreamChanged:
		ended = wire.ReasonChanged
	case hub.SlowConsumer:
		fault := wire.Errorf(wire.SlowConsumer, "the client has fallen behind the records in memory: resume from the cursor")
		return subscriptionEnd{reason: wire.ReasonSlowConsumer, fault: fault, withSession: true}
	case record.GapRetention:
		ended = wire.ReasonRetention
	case record.GapLogChanged:
		ended = wire.ReasonLogChanged
	case record.GapTruncated:
		ended = wire.ReasonTruncated
	case record.GapUnreadable, record.GapTooLarge, record.GapPolicy:
	}
	return subscriptionEnd{reason: ended, fault: endedFault(reason, sub.Feed().Fault())}
}

// endTaken returns the end of a subscription that has lost its named cursor: to another, or as
// an operator has moved it.
func endTaken(lease *cursors.Lease) subscriptionEnd {
	if lease.Moved() {
		return subscriptionEnd{reason: wire.ReasonMoved, fault: faultOf(cursors.ErrMoved)}
	}
	return subscriptionEnd{reason: wire.ReasonSuperseded, fault: faultOf(cursors.ErrSuperseded)}
}

// closingOf returns the closing message of an event stream for a fault.
func closingOf(fault *wire.Error) *wire.Closing {
	closing := &wire.Closing{Code: fault.Code, Message: fault.Message, Action: fault.Action(), RetryAfter: fault.RetryAfter}
	if closing.Action != wire.Stop && closing.RetryAfter == 0 {
		closing.RetryAfter = comeBackSoon()
	}
	return closing
}

// comeBackSoon spreads the clients that reconnect over some seconds.
func comeBackSoon() time.Duration {
	return 1500*time.Millisecond + rand.N(3*time.Second).Truncate(time.Millisecond) //nolint:gosec // nothing secret depends on it
}
