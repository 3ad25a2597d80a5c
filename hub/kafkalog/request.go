package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/segmentio/kafka-go/protocol"
)

// errNotSent: the request was abandoned before its first byte was written.
var errNotSent = errors.New("the request was not sent")

// A Request carries one of kafka-go's request messages to a broker of the
// caller's choice, over kafka-go's pooled connections. It serves where kafka-go's
// own routing is in the way: that follows metadata which may be stale, and asks
// for a transaction coordinator (and so has the brokers create the topic of
// transactions) where there is no transaction.
//
// It also knows whether the request was sent at all. [Do] returns when its
// context ends, while the connection's goroutine may still be about to write;
// the request's state decides which of the two comes first, so that a request
// that was abandoned is never written. A Request is for one Do.
type Request struct {
	message protocol.Message
	broker  int32
	cluster *Cluster

	version int16
	state   atomic.Int32
}

// The states of a Request. It leaves requestIdle once.
const (
	requestIdle int32 = iota
	requestWriting
	requestAbandoned
)

// NewRequest prepares a request to the broker with the given id.
func (c *Cluster) NewRequest(broker int32, message protocol.Message) *Request {
	return &Request{message: message, broker: broker, cluster: c}
}

// Abandon sees to it that the request is not written any more, and reports
// whether that succeeded: false means that it has been written, or is being
// written. It is safe for concurrent use, also with Do.
func (x *Request) Abandon() bool {
	return x.state.CompareAndSwap(requestIdle, requestAbandoned) || x.Abandoned()
}

// Abandoned reports whether Abandon has succeeded.
func (x *Request) Abandoned() bool { return x.state.Load() == requestAbandoned }

// ApiKey implements protocol.Message.
func (x *Request) ApiKey() protocol.ApiKey { return x.message.ApiKey() } //nolint:revive // kafka-go's name

// Broker implements protocol.BrokerMessage.
func (x *Request) Broker(protocol.Cluster) (protocol.Broker, error) {
	return protocol.Broker{ID: x.broker}, nil
}

// Required implements protocol.RawExchanger. The versions are the highest that
// both kafka-go and the broker of this connection know.
func (x *Request) Required(versions map[protocol.ApiKey]int16) bool {
	x.version = versions[x.message.ApiKey()]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (x *Request) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if err := x.cluster.identify(rw); err != nil {
		return nil, err
	}
	if !x.state.CompareAndSwap(requestIdle, requestWriting) {
		return nil, errNotSent
	}
	// A connection carries one request at a time and is closed after an
	// error, so the correlation id has nothing to tell apart.
	answer, err := protocol.RoundTrip(rw, x.version, 1, x.cluster.config.ClientID, x.message)
	if err != nil {
		return nil, err
	}
	return requestAnswer{answer}, nil
}

// requestAnswer hides an answer's type from kafka-go, which takes answers with
// metadata for those to its own requests.
type requestAnswer struct{ protocol.Message }

// Do sends a request and returns its answer, which is a T. The context must have
// a deadline: a half-open connection hangs for ever otherwise.
func Do[T protocol.Message](ctx context.Context, x *Request) (T, error) {
	var none T
	answer, err := x.cluster.carry(ctx, x.cluster.transport, x)
	if err != nil {
		return none, err
	}
	if wrapped, ok := answer.(requestAnswer); ok {
		if typed, ok := wrapped.Message.(T); ok {
			return typed, nil
		}
	}
	return none, fmt.Errorf("kafka answered a %v request with a %T", x.ApiKey(), answer)
}
