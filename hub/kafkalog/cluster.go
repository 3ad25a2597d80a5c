package kafkalog

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// Config says how to reach a Kafka cluster.
type Config struct {
	// Brokers are the addresses to begin with, host:port. At least one.
	Brokers []string
	// ClientID is what brokers log and account for.
	ClientID string
	// TLS is nil for plain connections.
	TLS *tls.Config
	// SASL is nil where the brokers ask for no credentials.
	SASL sasl.Mechanism
	// Rack makes reads go to the nearest replica (KIP-392). Empty for the
	// leader.
	Rack string
	// DialTimeout bounds connecting to a broker.
	DialTimeout time.Duration
}

// Cluster is a Kafka cluster, reached over kafka-go's pooled connections.
type Cluster struct {
	config Config
	addr   net.Addr
	// transport routes by topic and so keeps the metadata of every topic.
	transport *kafka.Transport
	// reads routes by broker id and keeps the list of brokers only.
	reads *kafka.Transport
}

// NewCluster prepares to reach a cluster. It does not connect yet.
func NewCluster(config Config) (*Cluster, error) {
	if len(config.Brokers) == 0 {
		return nil, errors.New("new cluster: give at least one broker address")
	}
	if config.DialTimeout <= 0 {
		return nil, errors.New("new cluster: give a dial timeout above zero")
	}
	return &Cluster{
		config:    config,
		addr:      kafka.TCP(config.Brokers...),
		transport: newTransport(config, nil),
		reads:     newTransport(config, []string{}),
	}, nil
}

// newTransport makes connections that follow the metadata of the topics; nil
// means of all of them.
func newTransport(config Config, topics []string) *kafka.Transport {
	return &kafka.Transport{
		ClientID:    config.ClientID,
		DialTimeout: config.DialTimeout,
		TLS:         config.TLS,
		SASL:        config.SASL,
		// Kafka-go asks for new metadata on this timer only, never because
		// a broker said that it is not the leader.
		MetadataTTL:    500 * time.Millisecond,
		MetadataTopics: topics,
	}
}

// Close ends the idle connections. Those in use end with their request.
func (c *Cluster) Close() {
	c.transport.CloseIdleConnections()
	c.reads.CloseIdleConnections()
}
