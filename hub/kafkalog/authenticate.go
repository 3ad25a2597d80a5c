package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// authenticate authenticates the client on a connection that this package opens
// itself (KIP-43, KIP-152). Kafka-go authenticates the connections that it uses,
// but a broker can be asked for its cluster only after authentication, and
// kafka-go does not check the cluster. It also authenticates the client again on
// connections in use (KIP-368). version is that of SaslAuthenticate; a session that
// ends begins with version 1 only.
func (c *Cluster) authenticate(ctx context.Context, conn net.Conn, address string, version int16) (session, error) {
	mechanism := c.config.SASL
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return session{}, fmt.Errorf("authenticate: %w", err)
	}
	number, _ := strconv.Atoi(port)
	ctx = sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: number})
	exchange, answer, err := mechanism.Start(ctx)
	if err != nil {
		return session{}, fmt.Errorf("authenticate by %s: %w: %w", mechanism.Name(), errNoCredentials, err)
	}
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.SetVersion(1)
	handshake.Mechanism = mechanism.Name()
	resp, err := c.ask(conn, handshake)
	if err != nil {
		return session{}, err
	}
	if err := kafkaError(resp.(*kmsg.SASLHandshakeResponse).ErrorCode); err != nil {
		return session{}, fmt.Errorf("authenticate by %s: %w", mechanism.Name(), err)
	}
	var lifetimeMillis int64
	for done := false; err == nil && !done; {
		var challenge []byte
		if challenge, lifetimeMillis, err = c.saslRound(conn, version, answer); err == nil {
			done, answer, err = exchange.Next(ctx, challenge)
		}
	}
	if err != nil {
		return session{}, fmt.Errorf("authenticate by %s: %w", mechanism.Name(), err)
	}
	return newSession(time.Now(), lifetimeMillis), nil
}

func (c *Cluster) saslRound(conn net.Conn, version int16, answer []byte) (challenge []byte, lifetimeMillis int64, err error) {
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.SetVersion(version)
	req.SASLAuthBytes = answer
	resp, err := c.ask(conn, req)
	if errors.Is(err, io.EOF) {
		return nil, 0, kafka.SASLAuthenticationFailed // some brokers only close the connection
	}
	if err != nil {
		return nil, 0, err
	}
	round := resp.(*kmsg.SASLAuthenticateResponse)
	err = kafkaError(round.ErrorCode)
	if err != nil && round.ErrorMessage != nil {
		err = fmt.Errorf("%w: %s", err, *round.ErrorMessage)
	}
	return round.SASLAuthBytes, round.SessionLifetimeMillis, err
}
