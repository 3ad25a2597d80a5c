package kafkalog

import (
	"crypto/tls"
	"errors"
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

// NewCluster prepares access to a cluster. It does not connect yet.
func NewCluster(config Config) (*Cluster, error) {
	if len(config.Brokers) == 0 {
		return nil, errors.New("new cluster: give at least one broker address")
	}
	if config.DialTimeout <= 0 {
		return nil, errors.New("new cluster: give a dial timeout above zero")
	}
	bootstrap := make([]string, len(config.Brokers))
	for i, address := range config.Brokers {
		bootstrap[i] = kafka.TCP(address).String() // adds the default port
	}
	c := &Cluster{config: config, known: newKnown(bootstrap), renewed: make(map[*kafka.Transport]time.Time)}
	c.transport = c.newTransport(nil)
	c.reads = c.newTransport([]string{})
	return c, nil
}

// newTransport returns a connection pool that keeps the metadata of the given
// topics; nil means all topics.
func (c *Cluster) newTransport(topics []string) *kafka.Transport {
	return &kafka.Transport{
		Dial:        c.dial,
		ClientID:    c.config.ClientID,
		DialTimeout: c.config.DialTimeout,
		SASL:        c.config.SASL,
		// Kafka-go refreshes metadata only on this timer, never because a broker
		// answered that it is not the leader.
		MetadataTTL:    500 * time.Millisecond,
		MetadataTopics: topics,
	}
}

// Close closes the idle connections. Connections in use are closed when their
// request ends.
func (c *Cluster) Close() {
	c.transport.CloseIdleConnections()
	c.reads.CloseIdleConnections()
}
