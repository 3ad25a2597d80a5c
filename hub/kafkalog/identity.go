package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Addresses of brokers are remembered, and an address can later belong to another
// cluster, which may well have a topic of the same name. So each connection is
// asked for its cluster before any other request, and the answers of another
// cluster are ignored. Only an address of the configuration can change which
// cluster is meant, because the configured addresses are what names the cluster.

// errForeign means that the broker belongs to another cluster.
var errForeign = errors.New("the broker belongs to another cluster")

// clusterIDVersion is the version of Metadata that is used to ask for the
// cluster's id: all brokers that can be read from support it (Kafka 0.11), with
// and without KIP-896.
const clusterIDVersion = 4

// brokerAddr is a connection's remote address with a reference to the connection
// itself, which kafka-go hides from a RawExchange.
type brokerAddr struct {
	net.Addr
	conn *brokerConn
}

// RemoteAddr implements net.Conn.
func (c *brokerConn) RemoteAddr() net.Addr { return brokerAddr{c.Conn.RemoteAddr(), c} }

// connOf returns the connection below a stream that kafka-go hands to an exchange,
// nil if there is none.
func connOf(rw io.ReadWriter) *brokerConn {
	through, ok := rw.(interface{ RemoteAddr() net.Addr })
	if !ok {
		return nil
	}
	addr, ok := through.RemoteAddr().(brokerAddr)
	if !ok {
		return nil
	}
	return addr.conn
}

// prepare makes a connection ready for a request: the broker belongs to this
// cluster, and its session lasts. Nothing of the request may have been sent.
func (c *Cluster) prepare(rw io.ReadWriter) error {
	if conn := connOf(rw); conn != nil {
		if err := conn.session.keep(conn.address, conn.authenticate); err != nil {
			return err
		}
		conn.held = true
	}
	return c.identify(rw)
}

// release ends what prepare has begun.
func release(rw io.ReadWriter) {
	if conn := connOf(rw); conn != nil {
		conn.held = false
	}
}

// identify asks a connection once for its cluster, and fails if that is another
// cluster.
func (c *Cluster) identify(rw io.ReadWriter) error {
	conn := connOf(rw)
	if conn == nil || conn.identified {
		return nil
	}
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(clusterIDVersion)
	req.Topics = []kmsg.MetadataRequestTopic{} // an empty list asks for no topics, nil for all
	resp, err := c.ask(rw, req)
	if err != nil {
		return fmt.Errorf("request the cluster ID: %w", err)
	}
	if id := resp.(*kmsg.MetadataResponse).ClusterID; id != nil {
		if ours, ok := c.known.belongs(conn.address, *id); !ok {
			return fmt.Errorf("broker %s: %w, %q instead of %q", conn.address, errForeign, *id, ours)
		}
	}
	conn.identified = true
	return nil
}

// renewEvery is the least time between two resets of a transport.
const renewEvery = time.Second

// carry sends a request through kafka-go. Kafka-go learns the brokers' addresses
// over a connection of its own. If that connection now leads to another cluster,
// kafka-go does not know the broker, or routes to a foreign one, as long as the
// connection lives. In this case carry resets the transport. A request that was not
// sent because the session of a connection is over goes to another connection.
func (c *Cluster) carry(ctx context.Context, through *kafka.Transport, request kafka.Request) (kafka.Response, error) {
	answer, err := through.RoundTrip(ctx, anyAddress, request)
	// Each try ends a connection whose session is over. A connection that is new
	// carries a request in any case.
	for errors.Is(err, errSessionOver) && ctx.Err() == nil {
		answer, err = through.RoundTrip(ctx, anyAddress, request)
	}
	switch {
	case errors.Is(err, kafka.BrokerNotAvailable):
		err = fmt.Errorf("the broker is not in the metadata of the brokers that answer: %w", err)
		c.renew(through)
	case errors.Is(err, errForeign):
		c.renew(through)
	}
	return answer, err
}

// renew resets a transport: kafka-go drops its connections and what it knows of
// the cluster.
func (c *Cluster) renew(through *kafka.Transport) {
	c.mu.Lock()
	soon := time.Since(c.renewed[through]) < renewEvery
	if !soon {
		c.renewed[through] = time.Now()
	}
	c.mu.Unlock()
	if !soon {
		through.CloseIdleConnections()
	}
}
