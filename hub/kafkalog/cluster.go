package kafkalog

import (
	"crypto/tls"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// Config configures the connection to a Kafka cluster.
type Config struct {
	// Brokers are the bootstrap addresses, host:port; at least one is required.
	// Once a broker has answered, all brokers of the cluster are known and are
	// asked, whether or not the bootstrap addresses can be reached. If a
	// remembered address comes to belong to another cluster, its answers are
	// ignored; if one of the bootstrap addresses leads to another cluster, that
	// cluster is the one meant from then on.
	Brokers []string
	// ClientID is sent to brokers for their logs, metrics and quotas.
	ClientID string
	// TLS is nil for plaintext connections.
	TLS *tls.Config
	// SASL is nil if the brokers require no credentials.
	SASL sasl.Mechanism
	// Rack makes reads go to the nearest replica (KIP-392). If it is empty, they
	// go to the leader.
	Rack string
	// DialTimeout bounds connecting to a broker.
	DialTimeout time.Duration
}

// Cluster is a Kafka cluster that is reached over kafka-go's pooled connections.
type Cluster struct {
	config Config
	known  *known
	// transport routes by topic and therefore keeps the metadata of every topic.
	transport *kafka.Transport
	// reads routes by broker id and keeps only the list of brokers.
	reads *kafka.Transport

	mu      sync.Mutex
	renewed map[*kafka.Transport]time.Time // when each transport was last reset
}

// Close closes the idle connections. Connections in use are closed when their
// request ends.
func (c *Cluster) Close() {
	c.transport.CloseIdleConnections()
	c.reads.CloseIdleConnections()
}

// anyAddress stands for any broker that answers. Kafka-go takes it for its only
// bootstrap address, and so connects to it for its own metadata. With a real
// address, kafka-go would never learn of a change while that broker is
// unavailable. (A SASL mechanism sees this name instead of the broker's on such a
// connection.)
var anyAddress = kafka.TCP("any-broker.invalid:9092")
