package app

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"sluice/auth"
	"sluice/cmd/sluice/config"
)

// TestPasswordIsReadAgain: a password can be exchanged while the server runs, and the
// last one is used while there is no file.
func TestPasswordIsReadAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	m, _, err := newMechanism(&config.SASL{Mechanism: "PLAIN", Username: "u", PasswordFile: config.Path(file), Password: auth.NewSecret("first")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	uses := func(want string) {
		t.Helper()
		_, message, err := m.Start(t.Context())
		if err != nil || !strings.HasSuffix(string(message), "\x00u\x00"+want) {
			t.Errorf("it sends %q, %v", message, err)
		}
	}
	uses("first")
	write("second")
	uses("second")
	write("")
	uses("second")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	uses("second")
}

// broker answers the first requests of a client and keeps how it authenticates.
func broker(t *testing.T) (address string, authenticated <-chan string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	got := make(chan string, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serveSASL(conn, got)
		}
	}()
	return listener.Addr().String(), got
}

func serveSASL(conn net.Conn, got chan<- string) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	mechanism := ""
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		request := make([]byte, min(binary.BigEndian.Uint32(size[:]), 1<<20))
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		// The header: key, version, correlation id, client id.
		version := int16(binary.BigEndian.Uint16(request[2:]))
		body := request[10+binary.BigEndian.Uint16(request[8:]):]
		var answer kmsg.Response
		switch binary.BigEndian.Uint16(request) {
		case 18:
			versions := kmsg.NewPtrApiVersionsResponse()
			versions.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: 3, MaxVersion: 12}, {ApiKey: 17, MaxVersion: 1}, {ApiKey: 18, MaxVersion: 3}, {ApiKey: 36, MaxVersion: 1}}
			answer = versions
		case 17:
			handshake := kmsg.NewPtrSASLHandshakeRequest()
			handshake.SetVersion(version)
			_ = handshake.ReadFrom(body)
			mechanism = handshake.Mechanism
			answer = kmsg.NewPtrSASLHandshakeResponse()
		case 36:
			authenticate := kmsg.NewPtrSASLAuthenticateRequest()
			authenticate.SetVersion(version)
			_ = authenticate.ReadFrom(body)
			select {
			case got <- mechanism + " " + string(authenticate.SASLAuthBytes):
			default:
			}
			return
		default:
			return
		}
		answer.SetVersion(version)
		out := append(make([]byte, 4), request[4:8]...)
		out = answer.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// TestTokensReachBrokers: what a broker is sent, by configuration.
func TestTokensReachBrokers(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) config.Path {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Path(file)
	}
	signed := func(token string) bool {
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return false
		}
		request, err := url.Parse(string(text))
		return err == nil && request.Host == "kafka.eu-west-1.amazonaws.com" && strings.HasPrefix(request.Query().Get("X-Amz-Credential"), "AKIATEST/") &&
			request.Query().Get("X-Amz-Signature") != "" && !strings.Contains(string(text), "hunter2")
	}
	for name, test := range map[string]struct {
		sasl    config.SASL
		isRight func(token string) bool
	}{
		"file": {
			config.SASL{Mechanism: config.OAuthBearer, OAuth: &config.SASLOAuth{TokenFile: write("token", "t0ken\n"), TokenFileEvery: time.Second, Lifetime: time.Minute, Timeout: time.Second}},
			func(token string) bool { return token == "t0ken" },
		},
		"aws": {
			config.SASL{Mechanism: config.AWSMSKIAM, AWS: &config.SASLAWS{
				Region: "eu-west-1", RoleSession: "sluice", Timeout: time.Second,
				CredentialsFile: write("credentials", "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = hunter2\n"),
			}}, signed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			address, got := broker(t)
			c, err := newCluster("c", config.Cluster{
				Brokers: []string{address}, SASL: &test.sasl, DialTimeout: 30 * time.Second,
				Fetch:   config.Fetch{Wait: time.Second, Bytes: 1 << 20, PartitionBytes: 1 << 18, InflatedBytes: 1 << 20, MetadataEvery: time.Second},
				Produce: config.Produce{BatchBytes: 1 << 16, AtOnce: 1, Attempt: time.Second, FailAfter: time.Second},
			}, config.Limits{PublishTimeout: time.Second}, 1<<20, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer c.conn.Close()
			if parts := c.parts(); parts[0].name != "tokens for kafka c" || parts[0].start(t.Context()) != nil {
				t.Fatal("it gets no token")
			}
			if err := c.tokens.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err = c.source.Missing(ctx, []string{"a"})
			if err == nil { // the broker closes the connection
				t.Error("the topic is there")
			}
			select {
			case message := <-got:
				token, found := strings.CutPrefix(message, "OAUTHBEARER n,,\x01auth=Bearer ")
				if token, ends := strings.CutSuffix(token, "\x01\x01"); !found || !ends || !test.isRight(token) {
					t.Errorf("the broker got %q", message)
				}
			case <-ctx.Done():
				t.Errorf("the client did not authenticate: %v", err)
			}
		})
	}
}
