package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/bench/clients"
)

// TestAListenerOfAnotherKindIsTold: TLS or SASL with a listener without it, and the
// reverse, must be reported in readyz and, without any request, in the log, with the
// broker's address and a remedy.
func TestAListenerOfAnotherKindIsTold(t *testing.T) {
	started := servers(t)
	broker := started.Brokers[0]
	topic(t, "kinds", 1)
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, started.Users[0].Password)
	tls := fmt.Sprintf("tls: {ca_file: %q}", started.CAFile)
	sasl := fmt.Sprintf("sasl: {mechanism: PLAIN, username: %s, password_file: %q}", started.Users[0].Name, file)
	for name, test := range map[string]struct {
		address, with, want string
	}{
		"TLS to a plain listener":    {broker.Addr, tls, "does not use TLS (remove kafka tls"},
		"plain to a TLS listener":    {broker.SASLAddr, "", "requires TLS (configure kafka tls"},
		"SASL to a listener without": {broker.Addr, sasl, "does not use SASL (remove kafka sasl"},
		"no SASL to a listener with": {broker.SASLAddr, tls, "requires credentials (configure kafka sasl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			section := fmt.Sprintf("kafka: {brokers: [%q]", test.address)
			if test.with != "" {
				section += ", " + test.with
			}
			i := sluice(t, setup{streams: map[string]string{"kinds": "kinds"}, kafka: section + "}", unready: true})
			ctx := within(t, 30*time.Second)
			told := func(line string) bool {
				return strings.Contains(line, test.want) && strings.Contains(line, "broker "+test.address)
			}
			eventually(ctx, t, "the log tells why it is not ready", func() error {
				log, err := os.ReadFile(i.LogFile())
				if err != nil {
					return err
				}
				for line := range strings.Lines(string(log)) {
					if strings.Contains(line, "not ready: a required check fails") && told(line) {
						return nil
					}
				}
				return errors.New(string(log))
			})
			eventually(ctx, t, "readyz tells why", func() error {
				_, err := i.ask(ctx, "/readyz")
				var status *clients.StatusError
				if !errors.As(err, &status) || !told(status.Body) {
					return fmt.Errorf("readyz answers %w", err)
				}
				return nil
			})
		})
	}
}
