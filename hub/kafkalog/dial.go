package kafkalog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// dial is the dial function of kafka-go's transports. It also does the TLS
// handshake, because the broker's host name is known only here.
func (c *Cluster) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if address == anyAddress.String() {
		return c.dialAny(ctx)
	}
	return c.dialOne(ctx, address)
}

func (c *Cluster) dialOne(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	watched := &brokerConn{Conn: conn, address: address, tls: c.config.TLS != nil, sasl: c.config.SASL != nil}
	watched.authenticate = func() (session, error) {
		ctx, cancel := context.WithTimeout(context.Background(), c.config.DialTimeout)
		defer cancel()
		return c.authenticate(ctx, watched.Conn, address, 1)
	}
	if c.config.TLS == nil {
		return watched, nil
	}
	config := c.config.TLS
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		config = config.Clone()
		config.ServerName = host
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, handshakeFailed(address, err)
	}
	watched.Conn = secured
	return watched, nil
}

// dialAny connects to a broker that answers a request. An accepted connection is
// not enough: the kernel also accepts connections for a process that is stopped.
func (c *Cluster) dialAny(ctx context.Context) (net.Conn, error) {
	addresses := c.known.addresses()
	return inTurn(ctx, len(addresses), func(ctx context.Context, n int) (net.Conn, error) {
		conn, err := c.dialAnswering(ctx, addresses[n])
		c.known.note(addresses[n], err == nil)
		return conn, err
	}, func(conn net.Conn) { _ = conn.Close() })
}

func (c *Cluster) dialAnswering(ctx context.Context, address string) (net.Conn, error) {
	conn, err := c.dialOne(ctx, address)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	_, err = c.ask(conn, kmsg.NewPtrApiVersionsRequest())
	if err == nil && c.config.SASL != nil {
		_, err = c.authenticate(ctx, conn, address, 0)
	}
	if err == nil {
		err = c.identify(conn)
	}
	if !stop() {
		<-ended
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		if named := (*listenerError)(nil); errors.As(err, &named) {
			return nil, err
		}
		return nil, fmt.Errorf("connect to broker %s: %w", address, err)
	}
	if c.config.SASL != nil {
		// kafka-go authenticates by itself, and a connection can be authenticated
		// only once.
		_ = conn.Close()
		return c.dialOne(ctx, address)
	}
	return conn, nil
}

// NewCluster prepares access to a cluster. It does not connect yet.
func NewCluster(config Config) (*Cluster, error) {
	if len(config.Brokers) == 0 {
		return nil, errors.New("new cluster: at least one broker address is required")
	}
	if config.DialTimeout <= 0 {
		return nil, errors.New("new cluster: a dial timeout above zero is required")
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
