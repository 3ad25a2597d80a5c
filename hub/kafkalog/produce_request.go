package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/segmentio/kafka-go/protocol"
)

// errProduceNotSent: the request was given up before its first byte was written.
var errProduceNotSent = errors.New("the request was not sent")

// produceExchange carries a request of kafka-go's to a broker of our choice,
// on kafka-go's pooled connections. It serves where kafka-go's own routing is
// in the way: that follows metadata which may be stale, and asks for a
// transaction coordinator (and so has the brokers make the topic of
// transactions) where there is no transaction.
//
// It also knows whether the request was sent at all. RoundTrip returns when
// its context ends, while the connection's goroutine may still be about to
// write; only whoever wins the exchange's state decides, so that a request
// that abandon took back is never written.
type produceExchange struct {
	message protocol.Message
	broker  int32
	cluster *Cluster

	version int16
	state   atomic.Int32
}

// The states of an exchange. It leaves produceIdle once.
const (
	produceIdle int32 = iota
	produceWriting
	produceAbandoned
)

// abandon takes the request back and reports whether that succeeded: false
// means that it has been written, or is being written.
func (x *produceExchange) abandon() bool {
	return x.state.CompareAndSwap(produceIdle, produceAbandoned) || x.state.Load() == produceAbandoned
}

// ApiKey implements protocol.Message.
func (x *produceExchange) ApiKey() protocol.ApiKey { return x.message.ApiKey() } //nolint:revive // kafka-go's name

// Broker implements protocol.BrokerMessage.
func (x *produceExchange) Broker(protocol.Cluster) (protocol.Broker, error) {
	return protocol.Broker{ID: x.broker}, nil
}

// Required implements protocol.RawExchanger. The versions are the highest that
// both kafka-go and the broker of this connection know.
func (x *produceExchange) Required(versions map[protocol.ApiKey]int16) bool {
	x.version = versions[x.message.ApiKey()]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (x *produceExchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if err := x.cluster.identify(rw); err != nil {
		return nil, err
	}
	if !x.state.CompareAndSwap(produceIdle, produceWriting) {
		return nil, errProduceNotSent
	}
	// A connection carries one request at a time and is closed after an
	// error, so the correlation id has nothing to tell apart.
	answer, err := protocol.RoundTrip(rw, x.version, 1, x.cluster.config.ClientID, x.message)
	if err != nil {
		return nil, err
	}
	return produceAnswer{answer}, nil
}

// produceAnswer hides an answer's type from kafka-go, which takes answers with
// metadata for those to its own requests.
type produceAnswer struct{ protocol.Message }

// produceAsk sends a request to a broker and returns its answer.
func produceAsk[T protocol.Message](ctx context.Context, c *Cluster, broker int32, message protocol.Message) (T, error) {
	return produceDo[T](ctx, c, &produceExchange{message: message, broker: broker, cluster: c})
}

func produceDo[T protocol.Message](ctx context.Context, c *Cluster, x *produceExchange) (T, error) {
	var none T
	answer, err := c.carry(ctx, c.transport, x)
	if err != nil {
		return none, err
	}
	if wrapped, ok := answer.(produceAnswer); ok {
		if typed, ok := wrapped.Message.(T); ok {
			return typed, nil
		}
	}
	return none, fmt.Errorf("kafka answered a %v request with a %T", x.ApiKey(), answer)
}
