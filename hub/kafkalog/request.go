package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// errNotSent means that the request was abandoned before its first byte was
// written.
var errNotSent = errors.New("the request was not sent")

// A Request carries one of kafka-go's request messages to a broker of the
// caller's choice, over kafka-go's pooled connections. It is used where
// kafka-go's own routing does not fit: that follows metadata which may be stale,
// and it asks for a transaction coordinator (and so makes the brokers create the
// topic of transactions) even without a transaction.
//
// A Request also knows whether it was sent at all. [Do] returns when its context
// ends, while the connection's goroutine may still be about to write; the
// request's state decides which of the two comes first, so that an abandoned
// request is never written. A Request is for one Do.
type Request struct {
	message protocol.Message
	broker  int32
	cluster *Cluster

	// NotAfter is when the request is too late: from then on it is not written, and counts
	// as abandoned. Zero means never.
	NotAfter time.Time

	version int16
	state   atomic.Int32
}

// The states of a Request. It leaves requestIdle at most once.
const (
	requestIdle int32 = iota
	requestWriting
	requestAbandoned
)

// NewRequest returns a request to the broker with the given id.
func (c *Cluster) NewRequest(broker int32, message protocol.Message) *Request {
	return &Request{message: message, broker: broker, cluster: c}
}

// Abandon prevents the request from being written, and reports whether that
// succeeded: false means that the request has been written, or is being written.
// It is safe for concurrent use, also with Do.
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
// both kafka-go and the broker of this connection support.
func (x *Request) Required(versions map[protocol.ApiKey]int16) bool {
	x.version = versions[x.message.ApiKey()]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (x *Request) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	defer release(rw)
	if err := x.cluster.prepare(rw); err != nil {
		return nil, err
	}
	if late := !x.NotAfter.IsZero() && !time.Now().Before(x.NotAfter); late && x.Abandon() {
		return nil, errNotSent
	}
	if !x.state.CompareAndSwap(requestIdle, requestWriting) {
		return nil, errNotSent
	}
	// A connection carries one request at a time and is closed after an error, so
	// the correlation id has nothing to distinguish.
	answer, err := protocol.RoundTrip(rw, x.version, 1, x.cluster.config.ClientID, x.message)
	if err != nil {
		return nil, err
	}
	return requestAnswer{answer}, nil
}

// requestAnswer hides the type of an answer from kafka-go, which would take
// answers with metadata for answers to its own requests.
type requestAnswer struct{ protocol.Message }

// Do sends a request and returns its answer, which is a T. The context must have
// a deadline: a half-open connection would hang forever otherwise.
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
