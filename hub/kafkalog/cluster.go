package kafkalog

import (
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// Config says how to reach a Kafka cluster.
type Config struct {
	// Brokers are the addresses to begin with, host:port. At least one. Once
	// one of them has answered, all brokers of the cluster are known and asked,
	// whether or not those listed here are up. What another cluster answers at
	// an address that is remembered is not believed; one of these addresses
	// that leads to another cluster says that that is meant by now.
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
	known  *known
	// transport routes by topic and so keeps the metadata of every topic.
	transport *kafka.Transport
	// reads routes by broker id and keeps the list of brokers only.
	reads *kafka.Transport

	mu      sync.Mutex
	renewed map[*kafka.Transport]time.Time // when each was made to begin anew
}

// NewCluster prepares to reach a cluster. It does not connect yet.
func NewCluster(config Config) (*Cluster, error) {
	if len(config.Brokers) == 0 {
		return nil, errors.New("new cluster: give at least one broker address")
	}
	if config.DialTimeout <= 0 {
		return nil, errors.New("new cluster: give a dial timeout above zero")
	}
	bootstrap := make([]string, len(config.Brokers))
	for i, address := range config.Brokers {
		bootstrap[i] = kafka.TCP(address).String() // with the port, where it is left out
	}
	c := &Cluster{config: config, known: newKnown(bootstrap), renewed: make(map[*kafka.Transport]time.Time)}
	c.transport = c.newTransport(nil)
	c.reads = c.newTransport([]string{})
	return c, nil
}

// newTransport makes connections that follow the metadata of the topics; nil
// means of all of them.
func (c *Cluster) newTransport(topics []string) *kafka.Transport {
	return &kafka.Transport{
		Dial:        c.dial,
		ClientID:    c.config.ClientID,
		DialTimeout: c.config.DialTimeout,
		SASL:        c.config.SASL,
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
