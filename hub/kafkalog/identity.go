package kafkalog

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/segmentio/kafka-go/protocol"
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

// route checks the metadata by which kafka-go routes a request. Where that is
// of another cluster kafka-go begins anew.
func (c *Cluster) route(through connections, layout protocol.Cluster) error {
	if ours, ok := c.known.learn(layout); !ok {
		through.CloseIdleConnections()
		return fmt.Errorf("the brokers that answer: %w, %q instead of %q", errForeign, layout.ClusterID, ours)
	}
	return nil
}

// connections are what a pool of kafka-go's gives up.
type connections interface{ CloseIdleConnections() }
