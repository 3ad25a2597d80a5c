package kafkalog

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// listenerError describes what a broker's listener does with a connection. A
// listener that expects another protocol, TLS or SASL, just closes the
// connection, which would be reported as EOF and without an address.
type listenerError struct {
	address string
	text    string
	cause   error
}

func (e *listenerError) Error() string {
	return fmt.Sprintf("broker %s %s: %v", e.address, e.text, e.cause)
}

// Unwrap never returns io.EOF, because kafka-go would drop the text then.
func (e *listenerError) Unwrap() error {
	if errors.Is(e.cause, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return e.cause
}

func handshakeFailed(address string, err error) error {
	var header tls.RecordHeaderError
	text := "failed the TLS handshake"
	if errors.As(err, &header) || isClosed(err) {
		text = "does not answer with TLS: the listener probably does not use TLS (remove kafka tls, or use another port)"
	}
	return &listenerError{address: address, text: text, cause: err}
}

// isClosed reports whether the other side has closed the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// API keys of the first requests on a connection.
const (
	keySASLHandshake    = int16(protocol.SaslHandshake)
	keyAPIVersions      = int16(protocol.ApiVersions)
	keySASLAuthenticate = int16(protocol.SaslAuthenticate)
)

// brokerConn is a connection to a broker that explains why the broker closes it
// before it has answered anything but the first requests. One request is in
// progress at a time, so reads and writes do not overlap.
type brokerConn struct {
	net.Conn
	// Immutable.
	address   string
	tls, sasl bool // whether they are configured
	// authenticate authenticates the client again. The connection is idle.
	authenticate func() (session, error)

	// Owned by the exchange in progress.
	served   bool     // an answer to another request than the first ones has begun
	received bool     // any bytes have been received
	reading  bool     // a read has followed the last write
	key      int16    // of the request in progress, -1 if unknown
	head     [10]byte // of the answer in progress: size, correlation id, error code
	have     int
	refused  error // why the connection is unusable, nil if it is not

	identified bool // it belongs to the right cluster
	answer     sessionAnswer
	version    int16 // of the request in progress
	session    session
	held       bool // an exchange of this package has it, which has prepared it
}

// Write implements net.Conn.
func (c *brokerConn) Write(b []byte) (int, error) {
	if c.reading || !c.received {
		// A request begins. Those of kafka-go itself are not prepared otherwise.
		if !c.held {
			if err := c.session.keep(c.address, c.authenticate); err != nil {
				return 0, err
			}
		}
		c.reading = false
		if !c.served && len(b) >= 8 {
			c.key, c.version = int16(binary.BigEndian.Uint16(b[4:6])), int16(binary.BigEndian.Uint16(b[6:8]))
			c.have, c.answer = 0, sessionAnswer{}
		}
	}
	n, err := c.Conn.Write(b)
	if err != nil && isClosed(err) {
		err = c.closed(err)
	}
	return n, err
}

// Read implements net.Conn.
func (c *brokerConn) Read(b []byte) (int, error) {
	if c.refused != nil {
		return 0, c.refused // kafka-go reads on to skip the rest of an answer
	}
	n, err := c.Conn.Read(b)
	c.reading = c.reading || n > 0
	if c.served {
		if err != nil && isClosed(err) {
			err = &listenerError{address: c.address, text: "closed the connection", cause: err}
		}
		return n, err
	}
	if n > 0 {
		if c.refused = c.hear(b[:n]); c.refused != nil {
			return 0, c.refused
		}
	}
	if err != nil && isClosed(err) {
		err = c.closed(err)
	} else if err != nil && c.tls {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			// Alerts: with TLS 1.3 the refusal of a client's certificate arrives
			// only here.
			err = &listenerError{address: c.address, text: "ended the TLS connection", cause: err}
		}
	}
	return n, err
}

// hear inspects the beginning of an answer.
func (c *brokerConn) hear(b []byte) error {
	if !c.received && !c.tls && (b[0] == 0x15 || b[0] == 0x16) {
		// The first byte of an answer's size cannot have these values, as no
		// answer is that large: it is a TLS alert or handshake.
		return &listenerError{
			address: c.address, text: "answers with TLS: the listener requires TLS (configure kafka tls, or use another port)",
			cause: io.ErrUnexpectedEOF,
		}
	}
	c.received = true
	switch c.key {
	case keyAPIVersions:
	case keySASLAuthenticate:
		if lifetimeMillis, complete := c.answer.hear(b); complete && c.version == 1 {
			c.session = newSession(time.Now(), lifetimeMillis)
		}
	case keySASLHandshake:
		c.have += copy(c.head[c.have:], b)
		if c.have < len(c.head) {
			return nil
		}
		switch code := kafka.Error(int16(binary.BigEndian.Uint16(c.head[8:]))); code {
		case 0:
		case kafka.IllegalSASLState:
			return &listenerError{
				address: c.address, text: "does not accept credentials: the listener does not use SASL (remove kafka sasl, or use another port)",
				cause: code,
			}
		default:
			return &listenerError{address: c.address, text: "rejected the SASL mechanism", cause: code}
		}
	default:
		c.served = true
	}
	return nil
}

// closed returns an error that names the likely reason of a broker that closes a
// connection without an answer.
func (c *brokerConn) closed(cause error) error {
	e := &listenerError{address: c.address, text: "closed the connection", cause: cause}
	switch {
	case c.served:
	case !c.received && !c.tls:
		e.text = "closed the connection after the first request: the listener probably requires TLS (configure kafka tls, or use another port)"
	case !c.received:
		e.text = "closed the connection after the first request"
	case c.key == keySASLAuthenticate:
		// Brokers before Kafka 1.0 close the connection for a wrong password.
		e.text, e.cause = "closed the connection during authentication", kafka.SASLAuthenticationFailed
	case c.key == keySASLHandshake:
		e.text = "closed the connection during the SASL handshake: the listener probably does not use SASL (remove kafka sasl, or use another port)"
	case !c.sasl:
		// Such a listener answers one ApiVersions request, and nothing else.
		e.text = "closed the connection without an answer: the listener probably requires credentials (configure kafka sasl, or use another port)"
	}
	return e
}
