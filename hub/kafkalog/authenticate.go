package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// authenticate authenticates the client on a connection that this package opens
// itself (KIP-43, KIP-152). Kafka-go authenticates the connections that it uses,
// but a broker can be asked for its cluster only after authentication, and
// kafka-go does not check the cluster.
func (c *Cluster) authenticate(ctx context.Context, conn net.Conn, address string) error {
	mechanism := c.config.SASL
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.SetVersion(1)
	handshake.Mechanism = mechanism.Name()
	resp, err := c.ask(conn, handshake)
	if err != nil {
		return err
	}
	if err := kafkaError(resp.(*kmsg.SASLHandshakeResponse).ErrorCode); err != nil {
		return fmt.Errorf("authenticate by %s: %w", mechanism.Name(), err)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	number, _ := strconv.Atoi(port)
	ctx = sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: number})
	exchange, answer, err := mechanism.Start(ctx)
	for done := false; err == nil && !done; {
		var challenge []byte
		if challenge, err = c.saslRound(conn, answer); err == nil {
			done, answer, err = exchange.Next(ctx, challenge)
		}
	}
	if err != nil {
		return fmt.Errorf("authenticate by %s: %w", mechanism.Name(), err)
	}
	return nil
}

func (c *Cluster) saslRound(conn net.Conn, answer []byte) (challenge []byte, err error) {
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.SASLAuthBytes = answer
	resp, err := c.ask(conn, req)
	if errors.Is(err, io.EOF) {
		return nil, kafka.SASLAuthenticationFailed // some brokers only close the connection
	}
	if err != nil {
		return nil, err
	}
	round := resp.(*kmsg.SASLAuthenticateResponse)
	err = kafkaError(round.ErrorCode)
	if err != nil && round.ErrorMessage != nil {
		err = fmt.Errorf("%w: %s", err, *round.ErrorMessage)
	}
	return round.SASLAuthBytes, err
}
