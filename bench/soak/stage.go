package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"sluice/bench/stack"
)

const (
	streams    = 6
	partitions = 3
	// history is the number of records in each topic before the first client
	// connects: more than a log holds, so that some subscriptions are late.
	history     = 6000
	historySize = 2 << 10
	// linger is how long a stream is read after its last subscriber has left.
	linger = 2 * time.Second
	// secret is the HS256 key of the tokens' issuer.
	secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// stage is all servers: a broker, Redis, and the instance.
type stage struct {
	*stack.Stack
	dir         string
	server      *stack.Server
	addr, admin string
	store       *redis.Client
	producer    *kgo.Client
}

// raise starts all servers.
func raise(ctx context.Context) (_ *stage, err error) {
	servers, err := stack.Start(ctx, stack.Options{Brokers: 1, Redis: stack.RedisOptions{Mode: stack.RedisSingle}})
	if err != nil {
		return nil, err
	}
	s := &stage{Stack: servers, dir: filepath.Join(servers.Dir, "soak")}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("raise stage: %w", err)
	}
	options, err := redis.ParseURL(servers.Redis.URL())
	if err != nil {
		return nil, fmt.Errorf("raise stage: %w", err)
	}
	s.store = redis.NewClient(options)
	if s.producer, err = kgo.NewClient(kgo.SeedBrokers(s.Bootstrap()...), kgo.ProducerLinger(5*time.Millisecond)); err != nil {
		return nil, fmt.Errorf("raise stage: %w", err)
	}
	for n := range streams {
		if err := s.CreateTopic(ctx, stream(n), partitions, nil); err != nil {
			return nil, err
		}
		for i := range history {
			s.producer.Produce(ctx, numbered(n, i, historySize), nil)
		}
	}
	if err := s.producer.Flush(ctx); err != nil {
		return nil, fmt.Errorf("fill topics: %w", err)
	}
	return s, s.startServer(ctx)
}

func (s *stage) startServer(ctx context.Context) error {
	binary, err := stack.Build(ctx, s.dir, false)
	if err != nil {
		return err
	}
	for _, addr := range []*string{&s.addr, &s.admin} {
		if *addr, err = stack.FreeAddr(); err != nil {
			return err
		}
	}
	key, file := filepath.Join(s.dir, "soak.key"), filepath.Join(s.dir, "sluice.yaml")
	var names strings.Builder
	for n := range streams {
		// Some logs hold the whole topic, others are so small that most
		// subscriptions are late.
		size := []string{"32MiB", "2MiB"}[n%2]
		slow := []string{"catch_up", "conflate", "skip"}[n%3]
		fmt.Fprintf(&names, "  %s: {topic: %s, content: json, linger: %s, log_bytes: %s, slow: %s}\n", stream(n), stream(n), linger, size, slow)
	}
	text := fmt.Sprintf(`listen: %s
admin: {listen: %s}
kafka: {brokers: [%s]}
redis: {url: %q}
cursors: {ttl: 1m}
auth:
  issuers:
    - {issuer: soak, audience: sluice, algorithms: [HS256], secret_file: %s}
grants:
  - {when: {role: client}, subscribe: ["soak.*"], publish: ["soak.*"], replay: unlimited}
limits: {sessions_per_address: 0, log_memory: 96MiB, late_memory: 16MiB}
streams:
%s`, s.addr, s.admin, strings.Join(s.Bootstrap(), ", "), s.Redis.URL(), key, names.String())
	if err := errors.Join(os.WriteFile(key, []byte(secret), 0o600), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		return fmt.Errorf("prepare instance: %w", err)
	}
	s.server = stack.NewServer(stack.Command{
		Name: "sluice", Dir: s.dir, Args: []string{binary, "serve", "--config", file},
		Ready: func(ctx context.Context) error { _, err := s.ask(ctx, "/readyz"); return err },
	})
	return s.server.Start(ctx)
}

// stream is the name of a stream and of its topic.
func stream(n int) string { return fmt.Sprint("soak.", n) }

// numbered returns a record of a stream, of about size bytes.
func numbered(n, i, size int) *kgo.Record {
	return &kgo.Record{
		Topic: stream(n), Partition: int32(i % partitions), Key: []byte(key(i)),
		Value: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, i, strings.Repeat(fmt.Sprintf("%08x", i*2654435761), size/8)),
	}
}

// keys is the number of different keys.
const keys = 40

func key(i int) string { return fmt.Sprint("key-", i%keys) }

// Close stops all servers.
func (s *stage) Close() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.Stop())
	}
	if s.producer != nil {
		s.producer.Close()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(append(errs, s.Stack.Close())...)
}

// keepLogs copies the servers' logs, and profiles and metrics of the instance, to a
// directory.
func (s *stage) keepLogs(ctx context.Context, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("keep logs: %w", err)
	}
	var errs []error
	for _, path := range []string{"/debug/pprof/heap?gc=1", "/debug/pprof/goroutine?debug=2", "/metrics"} {
		text, err := s.ask(ctx, path)
		name, _, _ := strings.Cut(filepath.Base(path), "?")
		errs = append(errs, err, os.WriteFile(filepath.Join(to, name), []byte(text), 0o600))
	}
	for _, file := range []string{s.server.LogFile(), s.Brokers[0].LogFile()} {
		log, err := os.ReadFile(file)
		errs = append(errs, err, os.WriteFile(filepath.Join(to, filepath.Base(file)), log, 0o600))
	}
	return errors.Join(errs...)
}

// token makes a token of a subject with a lifetime.
func token(subject string, life time.Duration) string {
	now := time.Now()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "soak", "aud": "sluice", "sub": subject, "role": "client", "iat": now.Unix(), "exp": now.Add(life).Unix(),
	}).SignedString([]byte(secret))
	if err != nil {
		panic(err) // an HMAC cannot fail
	}
	return text
}
