package kafkalog

import (
	"context"
	"io"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// anyBroker routes a request to any broker that answers.
const anyBroker = int32(-1)

// exchange carries requests encoded by this package on a connection of kafka-go's
// pool. It implements the interfaces by which kafka-go lets a message do its own
// exchange, because kafka-go's protocol package supports neither topic ids nor
// fetches of several partitions.
type exchange struct {
	key     int16
	broker  int32
	cluster *Cluster
	talk    func(rw io.ReadWriter) error
}

var _ protocol.RawExchanger = (*exchange)(nil)

// ApiKey implements protocol.Message.
//
//nolint:revive // the name is kafka-go's.
func (x *exchange) ApiKey() protocol.ApiKey { return protocol.ApiKey(x.key) }

// Broker routes the exchange.
func (x *exchange) Broker(protocol.Cluster) (protocol.Broker, error) {
	return protocol.Broker{ID: x.broker}, nil
}

// Required reports that RawExchange is to be called.
func (x *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange has exclusive use of the connection until it returns. It may still
// run after RoundTrip has returned because a context ended; the connection's
// deadline, which is the context's, then ends it. An error closes the connection.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	defer release(rw)
	if err := x.cluster.prepare(rw); err != nil {
		return nil, err
	}
	if err := x.talk(rw); err != nil {
		return nil, err
	}
	return x, nil
}

// roundTrip runs talk on a connection to a broker. The context must have a
// deadline: a half-open connection would hang forever otherwise.
func (c *Cluster) roundTrip(ctx context.Context, key int16, broker int32, talk func(io.ReadWriter) error) error {
	_, err := c.carry(ctx, c.reads, &exchange{key: key, broker: broker, cluster: c, talk: talk})
	return err
}

// request sends one small request and returns the answer. It uses the newest
// version that the broker supports, up to the version set in req.
func (c *Cluster) request(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	type result struct{ resp kmsg.Response }
	// The exchange may outlive this call, so they share only a channel, which has
	// room for the result.
	done := make(chan result, 1)
	newest := req.GetVersion()
	err := c.roundTrip(ctx, req.Key(), broker, func(rw io.ReadWriter) error {
		version, err := c.negotiate(rw, req.Key(), newest)
		if err != nil {
			return err
		}
		req.SetVersion(version)
		resp, err := c.ask(rw, req)
		if err != nil {
			return err
		}
		done <- result{resp}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return (<-done).resp, nil
}

// RequestAny sends a small request, which must not store anything, to the brokers
// of the cluster one after the other until one has answered. Each broker gets a
// request of its own, because an exchange can outlive its call.
func (c *Cluster) RequestAny(ctx context.Context, newRequest func() kmsg.Request) (kmsg.Response, error) {
	targets := c.known.targets()
	return inTurn(ctx, len(targets)+1, func(ctx context.Context, n int) (kmsg.Response, error) {
		if n == len(targets) {
			return c.request(ctx, anyBroker, newRequest())
		}
		resp, err := c.request(ctx, targets[n].id, newRequest())
		c.known.note(targets[n].address, err == nil)
		return resp, err
	}, nil)
}
