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

// Addresses of brokers are remembered, and an address can come to be another
// cluster's, which may well have a topic of the same name. So each connection is
// asked for its cluster before anything else is asked, and what another cluster
// says is not believed. Only an address of the configuration can say that the
// cluster is another one by now, as that address is what names it.

// errForeign is a broker of another cluster.
var errForeign = errors.New("it belongs to another cluster")

// clusterIDVersion is the version of Metadata that is asked for the cluster's id:
// all brokers that can be read from have it (Kafka 0.11), with and without KIP-896.
const clusterIDVersion = 4

// brokerAddr is a connection's address, by which the connection itself is found:
// kafka-go hides it from those who use it.
type brokerAddr struct {
	net.Addr
	conn *brokerConn
}

// RemoteAddr implements net.Conn.
func (c *brokerConn) RemoteAddr() net.Addr { return brokerAddr{c.Conn.RemoteAddr(), c} }

// identify asks a connection for its cluster, once, and fails where that is
// another one.
func (c *Cluster) identify(rw io.ReadWriter) error {
	through, ok := rw.(interface{ RemoteAddr() net.Addr })
	if !ok {
		return nil
	}
	addr, ok := through.RemoteAddr().(brokerAddr)
	if !ok || addr.conn.identified {
		return nil
	}
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(clusterIDVersion)
	req.Topics = []kmsg.MetadataRequestTopic{} // none; nil would be all
	resp, err := c.ask(rw, req)
	if err != nil {
		return fmt.Errorf("ask for the cluster id: %w", err)
	}
	if id := resp.(*kmsg.MetadataResponse).ClusterID; id != nil {
		if ours, ok := c.known.belongs(addr.conn.address, *id); !ok {
			return fmt.Errorf("broker %s: %w, %q instead of %q", addr.conn.address, errForeign, *id, ours)
		}
	}
	addr.conn.identified = true
	return nil
}

// renewEvery is how often kafka-go is made to begin anew, at most.
const renewEvery = time.Second

// carry has kafka-go carry a request. Where its own connection, by which it learns
// where the brokers are, has come to be one to another cluster, kafka-go knows no
// such broker, or leads to a foreign one, for as long as that connection lives. So
// it begins anew.
func (c *Cluster) carry(ctx context.Context, through *kafka.Transport, request kafka.Request) (kafka.Response, error) {
	answer, err := through.RoundTrip(ctx, anyAddress, request)
	switch {
	case errors.Is(err, kafka.BrokerNotAvailable):
		err = fmt.Errorf("the brokers that answer tell of no such broker: %w", err)
		c.renew(through)
	case errors.Is(err, errForeign):
		c.renew(through)
	}
	return answer, err
}

// renew has kafka-go give up its connections and what it knows of the cluster.
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
