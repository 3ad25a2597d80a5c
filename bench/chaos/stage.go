package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"

	"sluice/bench/stack"
)

const (
	instances  = 3
	brokers    = 3
	partitions = 6
	// topic is the topic of the records. Two streams read it: one with enough memory
	// for its log, and one with so little that a subscription that falls behind
	// reads from Kafka.
	topic        = "chaos"
	wide, narrow = "chaos.wide", "chaos.narrow"
	// secret is the HS256 key of the tokens' issuer.
	secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	// skew is the clock skew of the instances, by which they extend the life of
	// tokens.
	skew = 3 * time.Second
	// drainTimeout bounds how long an instance takes to drain.
	drainTimeout = 10 * time.Second
)

// The values of -bootstrap: the brokers that instances are configured with.
const (
	bootstrapAll = "all"
	// bootstrapOne configures each instance with the address of another single
	// broker.
	bootstrapOne = "one"
)

// stage is all servers: brokers, Redis, instances, and the balancer in front of
// them.
type stage struct {
	*stack.Stack
	dir       string
	instances []*instance
	balancer  *stack.Balancer
	store     *redis.Client
}

// instance is a running sluice process.
type instance struct {
	*stack.Server
	addr, admin string
}

// raise starts all servers.
func raise(ctx context.Context, bootstrap string) (_ *stage, err error) {
	servers, err := stack.Start(ctx, stack.Options{
		Brokers: brokers, Redis: stack.RedisOptions{Mode: stack.RedisSingle}, Packages: []string{"haproxy"},
		// A broker that was restarted becomes leader again soon, so that it can fail
		// again.
		BrokerConfig: map[string]string{"leader.imbalance.check.interval.seconds": "2", "leader.imbalance.per.broker.percentage": "1"},
	})
	if err != nil {
		return nil, err
	}
	s := &stage{Stack: servers, dir: filepath.Join(servers.Dir, "chaos")}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("raise stage: %w", err)
	}
	if err := servers.Redis.Persist(ctx); err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(servers.Redis.URL())
	if err != nil {
		return nil, fmt.Errorf("raise stage: %w", err)
	}
	options.MaxRetries, options.DialTimeout, options.ReadTimeout = -1, time.Second, time.Second
	s.store = redis.NewClient(options)
	if err := s.CreateTopic(ctx, topic, partitions, nil); err != nil {
		return nil, err
	}
	if err := makeUncleanTopic(ctx, s.Bootstrap()); err != nil {
		return nil, err
	}
	binary, err := stack.Build(ctx, s.dir, os.Getenv("SLUICE_E2E_RACE") != "")
	if err != nil {
		return nil, err
	}
	var backends []stack.Backend
	for n := range instances {
		known := s.Bootstrap()
		if bootstrap == bootstrapOne {
			known = known[n%brokers : n%brokers+1]
		}
		i, err := s.instance(n, binary, known)
		if err != nil {
			return nil, err
		}
		s.instances = append(s.instances, i)
		backends = append(backends, stack.Backend{Addr: i.addr, CheckAddr: i.admin, CheckPath: "/readyz"})
	}
	for _, i := range s.instances {
		if err := i.Start(ctx); err != nil {
			return nil, err
		}
	}
	if s.balancer, err = stack.NewBalancer(ctx, s.dir, backends...); err != nil {
		return nil, err
	}
	return s, s.balancer.Start(ctx)
}

func (s *stage) instance(n int, binary string, known []string) (*instance, error) {
	i := &instance{}
	var err error
	for _, addr := range []*string{&i.addr, &i.admin} {
		if *addr, err = stack.FreeAddr(); err != nil {
			return nil, err
		}
	}
	key := filepath.Join(s.dir, "chaos.key")
	if err := os.WriteFile(key, []byte(secret), 0o600); err != nil {
		return nil, fmt.Errorf("prepare instance: %w", err)
	}
	config := fmt.Sprintf(`listen: %s
admin: {listen: %s}
trusted_proxies: ["127.0.0.1/32"]
kafka: {brokers: [%s]}
redis: {url: %q}
auth:
  clock_skew: %s
  issuers:
    - {issuer: chaos, audience: sluice, algorithms: [HS256], secret_file: %s}
grants:
  - {when: {role: reader}, subscribe: ["chaos.*"], replay: unlimited}
  - {when: {role: writer}, publish: ["chaos.*"]}
  - {when: {role: outsider}, subscribe: ["public.*"], publish: ["public.*"]}
limits: {sessions_per_address: 0, ping_every: 4s, pong_within: 4s, keep_alive: 3s}
drain: {timeout: %s, spread: 3s}
streams:
  %s: {topic: %s, content: json}
  %s: {topic: %s, content: json, log_bytes: 256KiB}
  %s: {topic: %s, content: json}
`, i.addr, i.admin, strings.Join(known, ", "), s.Redis.URL(), skew, key, drainTimeout,
		wide, topic, narrow, topic, uncleanStream, uncleanTopic)
	name := fmt.Sprintf("sluice-%d", n+1)
	file := filepath.Join(s.dir, name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("prepare instance: %w", err)
	}
	i.Server = stack.NewServer(stack.Command{
		Name: name, Dir: s.dir, Args: []string{binary, "serve", "--config", file},
		Env: []string{"GOTRACEBACK=all"},
		// Being alive is enough: Kafka may be unavailable while the instance starts.
		Ready: func(ctx context.Context) error { _, err := i.ask(ctx, "/livez"); return err },
	})
	return i, nil
}

// Close stops all servers, and reports panics and races in the logs of the
// instances.
func (s *stage) Close() error {
	var all sync.WaitGroup
	errs := make([]error, len(s.instances)+1)
	for n, i := range s.instances {
		all.Go(func() { errs[n] = i.Stop() })
	}
	all.Wait()
	for _, i := range s.instances {
		errs = append(errs, i.complaints())
	}
	if s.balancer != nil {
		errs = append(errs, s.balancer.Kill())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(append(errs, s.Stack.Close())...)
}

// keepLogs copies the servers' logs to a directory.
func (s *stage) keepLogs(to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("keep logs: %w", err)
	}
	for _, pattern := range []string{filepath.Join(s.Dir, "*.log"), filepath.Join(s.dir, "*.log")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("keep logs: %w", err)
		}
		for _, file := range files {
			log, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(filepath.Join(to, filepath.Base(file)), log, 0o600)
			}
			if err != nil {
				return fmt.Errorf("keep logs: %w", err)
			}
		}
	}
	return nil
}

// truncations returns what the instances have logged of logs of Kafka that were cut
// off: the epochs tell whether that is true.
func (s *stage) truncations() (lines []string) {
	const most = 50
	for _, i := range s.instances {
		log, err := os.ReadFile(i.LogFile())
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "the log of a partition was truncated") && len(lines) < most {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines
}

// complaints finds panics and races in the log of all runs of the instance.
func (i *instance) complaints() error {
	log, err := os.ReadFile(i.LogFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	for _, word := range []string{"panic", "fatal error", "DATA RACE"} {
		if at := strings.Index(string(log), word); at >= 0 {
			return fmt.Errorf("%s complains: %s", i.Name(), log[at:min(len(log), at+4000)])
		}
	}
	return nil
}

// ask returns the response of the admin listener. A status other than 200 is an
// error.
func (i *instance) ask(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.admin+path, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s with %s", i.Name(), path, response.Status)
	}
	return string(body), nil
}

// sessions returns the number of its sessions, without those of pages.
func (i *instance) sessions(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	metrics, err := i.ask(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	total := 0
	for line := range strings.Lines(metrics) {
		if !strings.HasPrefix(line, "sluice_sessions{") {
			continue
		}
		value := strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read metrics: %w", err)
		}
		total += int(n)
	}
	return total, nil
}

// token makes a token with a lifetime.
func token(subject, role string, life time.Duration) (text string, ends time.Time) {
	now := time.Now()
	ends = now.Add(life).Truncate(time.Second)
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "chaos", "aud": "sluice", "sub": subject, "role": role, "iat": now.Unix(), "exp": ends.Unix(),
	}).SignedString([]byte(secret))
	if err != nil {
		panic(err) // an HMAC cannot fail
	}
	return text, ends
}
