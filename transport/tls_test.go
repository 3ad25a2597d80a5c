package transport_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/hub"
	"sluice/hub/hubtest"
	"sluice/hub/record"
	"sluice/transport"
)

// overTLS returns the configuration of a server over TLS, for whose clients it
// prepares the instance.
func (in *instance) overTLS() *tls.Config {
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS()
	certificate, leaf := borrowed.TLS.Certificates[0], borrowed.Certificate()
	borrowed.Close()
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	in.tls = &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS13}
	in.url = strings.Replace(in.url, "http://", "https://", 1)
	in.client = &http.Client{Transport: &http.Transport{TLSClientConfig: in.tls.Clone()}}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
		SessionTicketsDisabled: true, // so that the first thing a server writes is its answer
	}
}

// secured returns a client's connection, over TLS if the instance is.
func (in *instance) secured(conn net.Conn) net.Conn {
	if in.tls == nil {
		return conn
	}
	return tls.Client(conn, in.tls)
}

// address returns the address for clients.
func (in *instance) address() string {
	_, address, _ := strings.Cut(in.url, "://")
	return address
}

// plainAndTLS runs a test without TLS and with it: sessions behave alike.
func plainAndTLS(t *testing.T, test func(t *testing.T, overTLS bool)) {
	t.Helper()
	for name, overTLS := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, overTLS) })
	}
}

// TestStuckHoldsLittle: of what a client does not read, the server keeps the rest of
// one event, over TLS also that of one record: the events behind it are in the log
// anyway.
func TestStuckHoldsLittle(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, func(t *testing.T, overTLS bool) {
		in := start(t, options{
			tls:    overTLS,
			limits: func(l *transport.Limits) { l.SendBuffer, l.WriteProgress, l.SessionsPerPrincipal = 4<<10, never, 0 },
			stream: func(s *hub.Stream) { s.LogBytes = 16 << 20 },
		})
		tok := token(t, "u42", "live", time.Hour)
		reader := in.reads("/v1/streams/orders/events", tok)
		reader.until("sluice.caught_up")
		const clients, records = 20, 10_000
		for n := range clients {
			stuck := in.rawGet("/v1/streams/orders/events", tok)
			_ = stuck.below.SetReadBuffer((4 + 3*n) << 10) // so that their sockets are full in different places
		}
		in.eventually("all are subscribed", func() bool { return in.metric(`sluice_subscriptions`) == clients+1 })
		batch := make([]record.Record, records)
		for n := range batch {
			batch[n] = record.Record{Value: hubtest.Value(0, n), Timestamp: 1}
		}
		in.topics.AppendBatch("orders", batch) // at once, so that much is written at once
		reader.offsets(records)
		most := 1 << 10
		if overTLS {
			most += 17 << 10
		}
		in.eventually("all are stuck", func() bool {
			stuck, held := in.server.Held()
			if held > most {
				t.Fatalf("a client holds %d bytes", held)
			}
			return stuck == clients
		})
	})
}
