package kafkalog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxAnswerBytes bounds a broker's answer. The answer to a fetch can exceed the
// MaxBytes of the request by one batch, which is at most message.max.bytes long.
const maxAnswerBytes = 128 << 20

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
	if err := x.cluster.identify(rw); err != nil {
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

// errTooOld means that the broker does not support what reading needs.
var errTooOld = errors.New("the broker is too old")

// negotiate returns the version to use for a request, from the versions that the
// broker at the other end supports. Brokers of one cluster can differ while it is
// being upgraded.
func (c *Cluster) negotiate(rw io.ReadWriter, key, newest int16) (int16, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	resp, err := c.ask(rw, req)
	if err != nil {
		return 0, fmt.Errorf("ask api versions: %w", err)
	}
	versions := resp.(*kmsg.ApiVersionsResponse)
	if err := kafkaError(versions.ErrorCode); err != nil {
		return 0, fmt.Errorf("ask api versions: %w", err)
	}
	for _, k := range versions.ApiKeys {
		if k.ApiKey == key && k.MinVersion <= newest {
			return min(newest, k.MaxVersion), nil
		}
	}
	return 0, fmt.Errorf("%w: it has no common version of request %d", errTooOld, key)
}

// ask sends one request and reads the answer.
func (c *Cluster) ask(rw io.ReadWriter, req kmsg.Request) (kmsg.Response, error) {
	buf := takeBuffer(0)
	defer buf.release()
	if err := c.send(rw, req, buf); err != nil {
		return nil, err
	}
	// kmsg copies nothing of what it parses, so this buffer is not pooled.
	body, err := receive(rw, req, new(buffer))
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("parse answer to request %d: %w", req.Key(), err)
	}
	return resp, nil
}

// correlation is the correlation id of every request: a connection carries one
// request at a time and is closed when an exchange fails.
const correlation = int32(7)

func (c *Cluster) send(w io.Writer, req kmsg.Request, buf *buffer) error {
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID(c.config.ClientID))
	buf.bytes = formatter.AppendRequest(buf.bytes[:0], req, correlation)
	_, err := w.Write(buf.bytes)
	return err
}

// receive reads the answer to a request into buf and returns its body.
func receive(r io.Reader, req kmsg.Request, buf *buffer) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int64(int32(binary.BigEndian.Uint32(head[:4]))) - 4
	if size < 0 || size > maxAnswerBytes {
		return nil, fmt.Errorf("an answer of %d bytes is out of bounds", size)
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != correlation {
		return nil, fmt.Errorf("an answer has correlation id %d, want %d", got, correlation)
	}
	buf.grow(int(size))
	if _, err := io.ReadFull(r, buf.bytes); err != nil {
		return nil, err
	}
	if !req.IsFlexible() || req.Key() == 18 { // the answer to ApiVersions never has tags (KIP-511)
		return buf.bytes, nil
	}
	s := scan{b: buf.bytes}
	s.tags()
	if s.bad {
		return nil, errShort
	}
	return s.b, nil
}

// buffer is memory for a request or an answer.
type buffer struct{ bytes []byte }

// Buffers larger than maxPooledBytes are left to the garbage collector, so that
// one large answer does not keep its memory forever.
const maxPooledBytes = 8 << 20

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func takeBuffer(size int) *buffer {
	b := buffers.Get().(*buffer)
	b.grow(size)
	return b
}

// grow sets the buffer's length to size. Its content is undefined.
func (b *buffer) grow(size int) {
	if cap(b.bytes) < size {
		b.bytes = make([]byte, size)
	}
	b.bytes = b.bytes[:size]
}

func (b *buffer) release() {
	if cap(b.bytes) <= maxPooledBytes {
		buffers.Put(b)
	}
}
