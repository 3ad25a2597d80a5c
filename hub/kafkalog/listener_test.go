package kafkalog_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/hub/kafkalog"
	"sluice/hub/upstream"
)

// rawListener is a broker's listener that answers some requests on each
// connection, by key, and closes the connection at any other request.
type rawListener struct {
	tls     *tls.Config
	once    bool // it answers each request only once, as with SASL
	answers map[int16]func(version int16) kmsg.Response
}

func (l rawListener) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if l.tls != nil {
		listener = tls.NewListener(listener, l.tls)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-ended })
	return address
}

func (l rawListener) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	answered := make(map[int16]bool)
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(size[:])
		if n > 1<<20 { // as Kafka does with what is not a request
			return
		}
		request := make([]byte, n)
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		key := int16(binary.BigEndian.Uint16(request))
		answer := l.answers[key]
		if answer == nil || l.once && answered[key] {
			return
		}
		answered[key] = true
		body := answer(int16(binary.BigEndian.Uint16(request[2:]))).AppendTo(nil)
		out := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
		out = append(out, request[4:8]...) // the correlation id
		if _, err := conn.Write(append(out, body...)); err != nil {
			return
		}
	}
}

// greets returns an answer to ApiVersions, and to nothing else.
func greets() map[int16]func(int16) kmsg.Response {
	return map[int16]func(int16) kmsg.Response{18: func(version int16) kmsg.Response {
		answer := kmsg.NewPtrApiVersionsResponse()
		answer.SetVersion(version)
		for key, newest := range map[int16]int16{3: 12, 17: 1, 18: 3, 36: 1} {
			answer.ApiKeys = append(answer.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: newest})
		}
		return answer
	}}
}

// TestAListenerOfAnotherKindIsTold: a listener of the wrong kind is not reported
// as EOF, and is reported with the broker's address.
func TestAListenerOfAnotherKindIsTold(t *testing.T) {
	t.Parallel()
	certificate, trusted := selfSigned(t)
	secure := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	client := &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	refusing := greets()
	refusing[17] = func(version int16) kmsg.Response {
		answer := kmsg.NewPtrSASLHandshakeResponse()
		answer.SetVersion(version)
		answer.ErrorCode = 34 // ILLEGAL_SASL_STATE
		return answer
	}
	password := plain.Mechanism{Username: "u", Password: "secret-8471"}
	for name, test := range map[string]struct {
		listener rawListener
		tls      *tls.Config
		sasl     sasl.Mechanism
		want     string
	}{
		"TLS to a plain listener":             {rawListener{answers: greets()}, client, nil, "does not use TLS (remove kafka tls"},
		"plain to a TLS listener":             {rawListener{tls: secure, answers: greets()}, nil, nil, "requires TLS (configure kafka tls"},
		"SASL to a listener without":          {rawListener{answers: refusing, once: true}, nil, password, "the listener does not use SASL (remove kafka sasl"},
		"SASL to a listener that closes":      {rawListener{answers: greets()}, nil, password, "the listener probably does not use SASL"},
		"no SASL to a listener with":          {rawListener{answers: greets(), once: true}, nil, nil, "requires credentials (configure kafka sasl"},
		"no SASL to a listener with, and TLS": {rawListener{tls: secure, answers: greets()}, client, nil, "requires credentials (configure kafka sasl"},
		"what is no broker":                   {rawListener{}, nil, nil, "closed the connection after the first request"},
		"an unknown authority":                {rawListener{tls: secure}, &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}, nil, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := test.listener.start(t)
			cluster, err := kafkalog.NewCluster(kafkalog.Config{
				Brokers: []string{address}, ClientID: "test", TLS: test.tls, SASL: test.sasl, DialTimeout: 30 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			source, err := kafkalog.NewSource(cluster, kafkalog.SourceConfig{
				Logger: slog.New(slog.DiscardHandler), MaxWait: time.Second, MaxBytes: 1 << 20,
				PartitionMaxBytes: 128 << 10, InflatedBytes: 8 << 20, MetadataEvery: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err = source.Topic(ctx, "a")
			if !errors.Is(err, upstream.ErrSourceUnavailable) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), address) {
				t.Errorf("got %v, want %q and %s", err, test.want, address)
			}
			if err != nil && strings.Contains(err.Error(), "secret-8471") {
				t.Errorf("the password is told: %v", err)
			}
		})
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
