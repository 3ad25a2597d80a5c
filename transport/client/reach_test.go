package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice/transport/client"
)

// secured starts a server with TLS, and returns its URL and its certificate.
func secured(t *testing.T, handler http.Handler, adjust func(*tls.Config)) (url string, trusted *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if adjust != nil {
		adjust(s.TLS)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.URL, pool
}

// expired returns a certificate for 127.0.0.1 of yesterday.
func expired(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// answering starts a server that does something with each connection.
func answering(t *testing.T, do func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			do(conn)
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// saying answers the first bytes of a connection with a text.
func saying(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, text)
		// What is not read would become a reset, which can overtake the answer.
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, conn)
	}
}

// TestFaultsThatCannotPass: a server that cannot be reached as it is addressed is not tried for
// ever, and what is published to it is not stored; other faults of connections can pass.
func TestFaultsThatCannotPass(t *testing.T) {
	t.Parallel()
	unused := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was understood") })
	alert := "\x15\x03\x01\x00\x02\x02\x0a"
	for name, test := range map[string]struct {
		serve func(*testing.T) (url string, trusted *x509.CertPool)
		want  error // nil for a fault that can pass
		says  string
	}{
		"unknown authority": {func(t *testing.T) (string, *x509.CertPool) {
			url, _ := secured(t, unused, nil)
			return url, nil
		}, client.ErrUntrusted, "unknown authority"},
		"another name": {func(t *testing.T) (string, *x509.CertPool) {
			url, trusted := secured(t, unused, nil)
			return strings.Replace(url, "127.0.0.1", "localhost", 1), trusted
		}, client.ErrUntrusted, "not localhost"},
		"expired": {func(t *testing.T) (string, *x509.CertPool) {
			return secured(t, unused, func(c *tls.Config) { c.Certificates = []tls.Certificate{expired(t)} })
		}, client.ErrUntrusted, "expired"},
		"a client certificate is required": {func(t *testing.T) (string, *x509.CertPool) {
			return secured(t, unused, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })
		}, client.ErrCertificateWanted, "certificate required"},
		"HTTP without TLS": {func(t *testing.T) (string, *x509.CertPool) {
			s := httptest.NewServer(unused)
			t.Cleanup(s.Close)
			return strings.Replace(s.URL, "http:", "https:", 1), nil
		}, client.ErrPlain, "http://"},
		"something else without TLS": {func(t *testing.T) (string, *x509.CertPool) {
			return "https://" + answering(t, saying("SSH-2.0-OpenSSH_9.2\r\n")), nil
		}, client.ErrPlain, "http://"},
		"TLS of Go, asked without": {func(t *testing.T) (string, *x509.CertPool) {
			url, _ := secured(t, unused, nil)
			return strings.Replace(url, "https:", "http:", 1), nil
		}, client.ErrEncrypted, "https://"},
		"TLS of nginx, asked without": {func(t *testing.T) (string, *x509.CertPool) {
			const body = "<center>The plain HTTP request was sent to HTTPS port</center>"
			return "http://" + answering(t, saying("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"+body)), nil
		}, client.ErrEncrypted, "https://"},
		"TLS, asked without, answers with an alert": {func(t *testing.T) (string, *x509.CertPool) {
			return "http://" + answering(t, saying(alert)), nil
		}, client.ErrEncrypted, "https://"},
		"a redirect to TLS": {func(t *testing.T) (string, *x509.CertPool) {
			return "http://" + answering(t, saying("HTTP/1.1 301 Moved Permanently\r\nLocation: https://127.0.0.1/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")), nil
		}, client.ErrEncrypted, "https://127.0.0.1/x"},

		"refused": {func(t *testing.T) (string, *x509.CertPool) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_ = l.Close()
			return "https://" + l.Addr().String(), nil
		}, nil, "refused"},
		"closed in the handshake": {func(t *testing.T) (string, *x509.CertPool) {
			return "https://" + answering(t, saying("")), nil
		}, nil, "EOF"},
		"reset in the handshake": {func(t *testing.T) (string, *x509.CertPool) {
			return "https://" + answering(t, func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }), nil
		}, nil, ""},
		"silent in the handshake": {func(t *testing.T) (string, *x509.CertPool) {
			return "https://" + answering(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), nil
		}, nil, "timeout"},
		"no certificate yet": {func(t *testing.T) (string, *x509.CertPool) {
			url, trusted := secured(t, unused, func(c *tls.Config) {
				c.Certificates = nil
				c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errors.New("not yet") }
			})
			return url, trusted
		}, nil, "internal error"},
		"a redirect elsewhere": {func(t *testing.T) (string, *x509.CertPool) {
			return "http://" + answering(t, saying("HTTP/1.1 302 Found\r\nLocation: https://portal.example.com/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")), nil
		}, nil, "a redirect to https://portal.example.com/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, trusted := test.serve(t)
			c := dial(t, http.NotFoundHandler(), func(c *client.Config) {
				c.URL = url
				transport := c.HTTPClient.Transport.(*http.Transport)
				transport.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
				if test.says == "timeout" {
					transport.TLSHandshakeTimeout = 200 * time.Millisecond
				}
			})
			judge := func(what string, err error) {
				if err == nil || !strings.Contains(err.Error(), test.says) || test.want != nil && !errors.Is(err, test.want) || test.want == nil && client.Unreachable(err) != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for event, err := range c.Subscribe(ctx, client.Request{Stream: "s"}) {
				lost, again := event.(client.Disconnected)
				if again {
					err = lost.Err
				}
				if judge("subscribe", err); again != (test.want == nil) {
					t.Errorf("it is tried again: %t", again)
				}
				break
			}
			_, err := c.Streams(ctx)
			judge("streams", err)
			_, err = c.Publish(ctx, "s", client.Message{Data: []byte(`1`)})
			judge("publish", err)
			refused, ok := errors.AsType[*client.Error](err)
			if !errors.Is(err, client.ErrNotStored) || errors.Is(err, client.ErrMaybeStored) || !ok || refused.Retryable != (test.want == nil) {
				t.Errorf("publish: %v, retryable: %t", err, ok && refused.Retryable)
			}
		})
	}
}

// TestAnAnswerWithoutAPlaceIsNoAnswer: what answers with status 200, and is not Sluice, has stored
// nothing that is known.
func TestAnAnswerWithoutAPlaceIsNoAnswer(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `{"records":[],"cursor":"v1.a"}`, `{"partition":0}`, `{"offset":5}`, `{"results":[{}]}`, `{"results":[null]}`, `<html>log in</html>`} {
		c := dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }), nil)
		message := client.Message{Data: []byte(`1`)}
		if at, err := c.Publish(t.Context(), "s", message); !errors.Is(err, client.ErrMaybeStored) {
			t.Errorf("%s: %v, %v", body, at, err)
		}
		results, err := c.PublishBatch(t.Context(), "s", []client.Message{message})
		if len(results) == 1 {
			err = results[0].Err
		}
		if !errors.Is(err, client.ErrMaybeStored) {
			t.Errorf("%s: a batch: %v", body, err)
		}
	}
}

// TestRedirectsAreNotFollowed: they would take the token to another server, and make a GET of a POST.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		c := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/elsewhere") {
				t.Errorf("%s %s with %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
			}
			http.Redirect(w, r, "/elsewhere"+r.URL.Path, status)
		}), func(c *client.Config) {
			c.Token = func(context.Context) (string, error) { return "secret", nil }
		})
		_, err := c.Publish(t.Context(), "s", client.Message{Data: []byte(`1`)})
		refused, ok := errors.AsType[*client.Error](err)
		if !errors.Is(err, client.ErrNotStored) || !ok || !refused.Retryable || !strings.Contains(err.Error(), "a redirect to ") {
			t.Errorf("%d: publish: %v", status, err)
		}
		if _, err := c.Streams(t.Context()); err == nil {
			t.Errorf("%d: streams: no error", status)
		}
		for event, err := range c.Subscribe(t.Context(), client.Request{Stream: "s"}) {
			if _, again := event.(client.Disconnected); !again {
				t.Errorf("%d: subscribe: %v", status, err)
			}
			break
		}
	}
}

// withoutTrace is a transport that tells nothing of its connections.
type withoutTrace struct{}

func (withoutTrace) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("lost somewhere")
}

// TestWhatHadNoConnectionIsNotStored: what was sent, or may have been, may be stored.
func TestWhatHadNoConnectionIsNotStored(t *testing.T) {
	t.Parallel()
	cut := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	message := client.Message{Data: []byte(`1`)}
	http2 := httptest.NewUnstartedServer(cut)
	http2.EnableHTTP2 = true
	http2.StartTLS()
	defer http2.Close()
	for name, adjust := range map[string]func(*client.Config){
		"HTTP/1.1":              nil,
		"HTTP/2":                func(c *client.Config) { c.URL, c.HTTPClient = http2.URL, http2.Client() },
		"of another transport":  func(c *client.Config) { c.HTTPClient = &http.Client{Transport: withoutTrace{}} },
		"of another connection": func(c *client.Config) { c.HTTPClient.Transport.(*http.Transport).DisableKeepAlives = true },
	} {
		c := dial(t, cut, adjust)
		for range 3 {
			if _, err := c.Publish(t.Context(), "s", message); !errors.Is(err, client.ErrMaybeStored) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := dial(t, cut, func(c *client.Config) {
		c.HTTPClient.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	_, err := c.Publish(ctx, "s", message)
	if refused, ok := errors.AsType[*client.Error](err); !errors.Is(err, client.ErrNotStored) || !ok || !refused.Retryable {
		t.Errorf("it was ended before it had a connection: %v", err)
	}
}

// TestTimesOfServersAreBounded: a time that does not fit is not one that has passed.
func TestTimesOfServersAreBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header, body string
		want         time.Duration
	}{
		{"", `{"code":"overloaded","retryable":true,"retry_after_ms":9223372036854775807}`, 366 * 24 * time.Hour},
		{"", `{"code":"overloaded","retryable":true,"retry_after_ms":-9223372036854775807}`, 0},
		{"", `{"code":"overloaded","retryable":true,"retry_after_ms":1500}`, 1500 * time.Millisecond},
		{"9223372036854775807", ``, math.MaxInt32 * time.Second},
		{"-5", ``, 0},
		{"7", ``, 7 * time.Second},
	} {
		c := dial(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", test.header)
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, test.body)
		}), nil)
		_, err := c.Publish(t.Context(), "s", client.Message{Data: []byte(`1`)})
		refused, ok := errors.AsType[*client.Error](err)
		if want := min(test.want, 366*24*time.Hour); !ok || refused.RetryAfter != want {
			t.Errorf("%s%s: got %v", test.header, test.body, refused.RetryAfter)
		}
	}
}
