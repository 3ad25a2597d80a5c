package client_test

import (
	"crypto/tls"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"sluice/transport/client"
)

// TestFaultsOfTLSPassOnceTheServerWasReached: a subscription that has been connected outlives a
// certificate that has expired and is to be renewed: it tries again, and says why.
func TestFaultsOfTLSPassOnceTheServerWasReached(t *testing.T) {
	t.Parallel()
	old := expired(t)
	var handshakes atomic.Int32
	refusals := 0
	s := newServer(t, 1, 5)
	s.end = func(c *websocket.Conn, sent int) bool {
		if sent < 3 || handshakes.Load() > 1 {
			return false
		}
		_ = c.CloseNow()
		return true
	}
	url, trusted := secured(t, s, func(c *tls.Config) {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if n := handshakes.Add(1); n < 2 || n > 5 {
				return nil, nil
			}
			return &tls.Config{Certificates: []tls.Certificate{old}, MinVersion: tls.VersionTLS12}, nil
		}
	})
	c := dial(t, http.NotFoundHandler(), func(c *client.Config) {
		c.URL = url + "/base"
		c.HTTPClient.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	})
	got := collector{t: t}
	for event, err := range c.Subscribe(t.Context(), client.Request{Stream: "s", From: client.Earliest}) {
		if err != nil {
			t.Fatalf("after %d records: %v", got.n, err)
		}
		switch event := event.(type) {
		case client.Disconnected:
			if client.Unreachable(event.Err) != nil {
				refusals++
			}
		case client.Record:
			got.take(event)
		}
		if got.n == 5 {
			break
		}
	}
	if refusals != 4 {
		t.Errorf("%d faults of TLS were told, not 4", refusals)
	}
}

// TestPublishOnceOutlivesFaultsOfTLS: a record whose outcome is unknown is asked about until it is
// known, also if the certificate of the server cannot be trusted meanwhile.
func TestPublishOnceOutlivesFaultsOfTLS(t *testing.T) {
	t.Parallel()
	old := expired(t)
	var handshakes, requests atomic.Int32
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusGatewayTimeout)
			return
		}
		_, _ = w.Write([]byte(`{"partition":0,"offset":7}`))
	})
	url, trusted := secured(t, answer, func(c *tls.Config) {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if n := handshakes.Add(1); n < 2 || n > 3 {
				return nil, nil
			}
			return &tls.Config{Certificates: []tls.Certificate{old}, MinVersion: tls.VersionTLS12}, nil
		}
	})
	c := dial(t, http.NotFoundHandler(), func(c *client.Config) {
		c.URL = url
		c.HTTPClient.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
	})
	at, err := c.PublishOnce(t.Context(), "s", client.Message{Data: []byte(`1`)})
	if err != nil || at.Offset != 7 {
		t.Errorf("got %+v, %v", at, err)
	}
}
