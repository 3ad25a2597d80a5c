package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/bench/clients"
)

// kafkaOverSASL is the kafka section for the shared broker's SASL_SSL listener.
func kafkaOverSASL(t *testing.T, mechanism, password string) string {
	t.Helper()
	started := servers(t)
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, password)
	return fmt.Sprintf("kafka: {brokers: [%q], tls: {ca_file: %q}, sasl: {mechanism: %s, username: %s, password_file: %q}}",
		started.Brokers[0].SASLAddr, started.CAFile, mechanism, started.Users[0].Name, file)
}

func TestKafkaWithSASLOverTLS(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			name := "sasl-" + strings.ToLower(mechanism)
			topic(t, name, 1)
			i := sluice(t, setup{
				streams: map[string]string{"secured": name},
				kafka:   kafkaOverSASL(t, mechanism, servers(t).Users[0].Password),
			})
			ctx := within(t, 30*time.Second)
			p := &clients.Publisher{Session: mechanism, Stream: "secured", Addr: i.addr, Token: token(t, "u", "writer")}
			if err := p.OverHTTP(ctx, 1); err != nil {
				t.Fatal(err)
			}
			stream, err := clients.OpenEvents(ctx, clients.EventsRequest{Addr: i.addr, Stream: "secured", Query: url.Values{"from": {"earliest"}}, Token: token(t, "u", "reader")})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			for {
				event, err := stream.Next()
				if err != nil {
					t.Fatal(err)
				}
				if event.Name != "" {
					continue
				}
				if got := gjson.GetBytes(event.Data, "data.session").Str; got != mechanism {
					t.Errorf("the record is %s", event.Data)
				}
				return
			}
		})
	}
}

// TestWrongPasswordIsTold: the operator must see the broker's error message, but not
// the password.
func TestWrongPasswordIsTold(t *testing.T) {
	t.Parallel()
	const wrong = "not-the-password-8471"
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			topic(t, "wrong-"+strings.ToLower(mechanism), 1)
			i := sluice(t, setup{
				streams: map[string]string{"secured": "wrong-" + strings.ToLower(mechanism)},
				kafka:   kafkaOverSASL(t, mechanism, wrong),
				unready: true,
			})
			ctx := within(t, 30*time.Second)
			for {
				_, err := i.ask(ctx, "/readyz")
				var status *clients.StatusError
				if errors.As(err, &status) && strings.Contains(status.Body, "uthentication failed") {
					break
				}
				if err == nil {
					t.Fatal("it is ready")
				}
				if !pause(ctx, 200*time.Millisecond) {
					t.Fatalf("readyz does not tell why: %v", err)
				}
			}
			log, err := os.ReadFile(i.LogFile())
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(log), wrong) {
				t.Error("the log holds the password")
			}
		})
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
