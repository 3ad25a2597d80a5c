package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/bench/clients"
	"sluice/bench/stack"
)

// signingKey is the HS256 secret of the issuer that all tests use.
const signingKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// instance is a running sluice process.
type instance struct {
	*stack.Server
	addr, admin string
	// config is the file of the configuration, and text what is in it at first.
	config, text string
}

// addrs returns the addresses of instances for clients.
func addrs(instances ...*instance) []string {
	var all []string
	for _, i := range instances {
		all = append(all, i.addr)
	}
	return all
}

var instances atomic.Int32

// setup is the part of the configuration that differs between tests.
type setup struct {
	// kafka replaces the shared broker's plain listener.
	kafka string
	// redis replaces the shared Redis.
	redis *stack.Redis
	// redisConfig is the whole section, in place of one made from redis.
	redisConfig string
	// auth is added to the section auth: "  a: 1\n".
	auth string
	// streams maps streams to topics.
	streams map[string]string
	// more is added at the end, and grants to those of all tests.
	more, grants string
	// limits and drain are added to the settings of all tests: "a: 1, b: 2".
	limits, drain string
	// binary is another build of the server, unless empty.
	binary string
	// within, unless empty, is a shell command that runs the server as "$@".
	within string
	// unready is set if the instance is not expected to become ready.
	unready bool
}

// sluice starts an instance and stops it at the end of the test.
func sluice(t *testing.T, s setup) *instance {
	t.Helper()
	i := newInstance(t, s)
	if err := i.Start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	return i
}

// knowsOnly is the section kafka of an instance that is configured with one broker.
func knowsOnly(broker *stack.Broker) string {
	return fmt.Sprintf("kafka: {brokers: [%s]}", broker.Addr)
}

// newInstance prepares an instance, without starting it.
func newInstance(t *testing.T, s setup) *instance {
	t.Helper()
	started := servers(t)
	binary, err := s.binary, error(nil)
	if binary == "" {
		binary, err = shared.binary()
	}
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{}
	for _, addr := range []*string{&i.addr, &i.admin} {
		if *addr, err = stack.FreeAddr(); err != nil {
			t.Fatal(err)
		}
	}
	ready := i.ready
	if s.unready {
		ready = func(ctx context.Context) error { _, err := i.ask(ctx, "/livez"); return err }
	}
	name := fmt.Sprintf("sluice-%d", instances.Add(1))
	dir := t.TempDir()
	write(t, filepath.Join(dir, "e2e.key"), signingKey)
	if s.kafka == "" {
		s.kafka = fmt.Sprintf("kafka: {brokers: [%s]}", strings.Join(started.Bootstrap(), ", "))
	}
	if s.redis == nil {
		s.redis = started.Redis
	}
	var config strings.Builder
	if s.redisConfig == "" {
		s.redisConfig = fmt.Sprintf("{url: %q}", s.redis.URL())
	}
	fmt.Fprintf(&config, "listen: %s\nadmin: {listen: %s}\n%s\nredis: %s\n", i.addr, i.admin, s.kafka, s.redisConfig)
	if s.drain == "" {
		s.drain = "timeout: 10s, spread: 2s"
	}
	config.WriteString(`auth:
  issuers:
    - {issuer: e2e, audience: sluice, algorithms: [HS256], secret_file: e2e.key}
` + s.auth + `grants:
  - {when: {role: reader}, subscribe: ["*"], replay: 24h}
  - {when: {role: writer}, publish: ["*"]}
  - {anonymous: true, subscribe: ["public.*"]}
`)
	config.WriteString(s.grants)
	fmt.Fprintf(&config, "limits: {%s}\ndrain: {%s}\nstreams:\n", strings.TrimSuffix("sessions_per_address: 0, "+s.limits, ", "), s.drain)
	for stream, topic := range s.streams {
		fmt.Fprintf(&config, "  %s: {topic: %s, content: json}\n", stream, topic)
	}
	config.WriteString(s.more)
	file := filepath.Join(dir, "sluice.yaml")
	write(t, file, config.String())
	i.config, i.text = file, config.String()

	args := []string{binary, "serve", "--config", file}
	if s.within != "" {
		args = append([]string{"sh", "-c", s.within, "sh"}, args...)
	}
	i.Server = stack.NewServer(stack.Command{
		Name:  name,
		Dir:   dir,
		Args:  args,
		Env:   []string{"GOTRACEBACK=all"},
		Ready: ready,
	})
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
		log, err := os.ReadFile(i.LogFile())
		if err != nil || bytes.Contains(log, []byte("panic")) {
			t.Errorf("%s has panicked (%v)", name, err)
		}
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, log[max(0, len(log)-6000):])
		}
	})
	return i
}

// ready returns nil if the instance accepts clients.
func (i *instance) ready(ctx context.Context) error {
	_, err := i.ask(ctx, "/readyz")
	return err
}

// ask returns the response of the admin listener. A status other than 200 is an
// error.
func (i *instance) ask(ctx context.Context, path string) (string, error) {
	return get(ctx, "http://"+i.admin+path, "")
}

func get(ctx context.Context, address, token string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", &clients.StatusError{Status: response.StatusCode, Body: string(body)}
	}
	return string(body), nil
}

// token makes a token for a principal with some roles.
func token(t testing.TB, subject string, roles ...string) string {
	t.Helper()
	return tokenUntil(t, subject, time.Now().Add(24*time.Hour), roles...)
}

// tokenUntil makes a token that expires at a time.
func tokenUntil(t testing.TB, subject string, ends time.Time, roles ...string) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "e2e", "aud": "sluice", "sub": subject, "role": roles,
		"iat": time.Now().Unix(), "exp": ends.Unix(),
	}).SignedString([]byte(signingKey))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
