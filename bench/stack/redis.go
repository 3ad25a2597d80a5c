package stack

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// RedisMode is how Redis is set up.
type RedisMode string

// The Redis modes.
const (
	NoRedis RedisMode = ""
	// RedisSingle is one server.
	RedisSingle RedisMode = "single"
	// RedisSentinel is a primary, a replica and three sentinels.
	RedisSentinel RedisMode = "sentinel"
	// RedisCluster is three primaries without replicas.
	RedisCluster RedisMode = "cluster"
)

// SentinelMaster is the name of the primary for the sentinels.
const SentinelMaster = "stack"

// RedisOptions configures Redis. Nothing is kept on disk: a restarted server is
// empty.
type RedisOptions struct {
	Mode RedisMode
	// Password makes Redis require a password.
	Password bool
	// TLS makes Redis serve TLS only, with a certificate of the stack's authority.
	TLS bool
}

// RedisNode is one Redis server or sentinel.
type RedisNode struct {
	*Server
	Addr string
}

// Redis are the Redis processes of a stack.
type Redis struct {
	Mode RedisMode
	// Nodes are the servers. The first one starts as the primary.
	Nodes []*RedisNode
	// Sentinels is empty except in RedisSentinel.
	Sentinels []*RedisNode
	// Password is empty if none is needed.
	Password string

	tls   *tls.Config // nil without TLS
	buses []string    // the bus ports of a cluster's nodes
}

// URL is the address of the first server, in the form for go-redis and redis-cli.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", Host: r.Nodes[0].Addr, Path: "/0"}
	if r.tls != nil {
		u.Scheme = "rediss"
	}
	if r.Password != "" {
		u.User = url.UserPassword("", r.Password)
	}
	return u.String()
}

// Addrs lists the addresses of the servers.
func (r *Redis) Addrs() []string { return addrs(r.Nodes) }

// SentinelAddrs lists the addresses of the sentinels.
func (r *Redis) SentinelAddrs() []string { return addrs(r.Sentinels) }

func addrs(nodes []*RedisNode) []string {
	var out []string
	for _, node := range nodes {
		out = append(out, node.Addr)
	}
	return out
}

func (s *Stack) prepareRedis(opts RedisOptions) error {
	if opts.Mode == NoRedis {
		return nil
	}
	servers, sentinels := 1, 0
	switch opts.Mode {
	case RedisSingle:
	case RedisSentinel:
		servers, sentinels = 2, 3
	case RedisCluster:
		servers = 3
	default:
		return fmt.Errorf("prepare redis: unknown mode %q", opts.Mode)
	}
	s.Redis = &Redis{Mode: opts.Mode}
	if opts.Password {
		s.Redis.Password = secret()
	}
	if opts.TLS {
		s.Redis.tls = s.pki.client()
	}
	for i := range servers {
		var lines []string
		if opts.Mode == RedisCluster {
			// Without a configured port the bus takes one from the system's range
			// for outgoing connections.
			bus, err := FreeAddr()
			if err != nil {
				return err
			}
			_, port, _ := net.SplitHostPort(bus)
			s.Redis.buses = append(s.Redis.buses, port)
			lines = append(lines, "cluster-enabled yes", "cluster-node-timeout 2000", "cluster-port "+port)
		}
		if opts.Mode == RedisSentinel && i > 0 {
			host, port, _ := net.SplitHostPort(s.Redis.Nodes[0].Addr)
			lines = append(lines, "replicaof "+host+" "+port)
		}
		lines = append(lines, `save ""`, "appendonly no", "repl-diskless-sync-delay 0")
		node, err := s.redisNode(fmt.Sprintf("redis-%d", i+1), "redis-server", lines)
		if err != nil {
			return err
		}
		s.Redis.Nodes = append(s.Redis.Nodes, node)
	}
	for i := range sentinels {
		host, port, _ := net.SplitHostPort(s.Redis.Nodes[0].Addr)
		lines := []string{
			fmt.Sprintf("sentinel monitor %s %s %s 2", SentinelMaster, host, port),
			"sentinel down-after-milliseconds " + SentinelMaster + " 2000",
			"sentinel failover-timeout " + SentinelMaster + " 5000",
		}
		if s.Redis.Password != "" {
			lines = append(lines, "sentinel auth-pass "+SentinelMaster+" "+s.Redis.Password)
		}
		node, err := s.redisNode(fmt.Sprintf("sentinel-%d", i+1), "redis-sentinel", lines)
		if err != nil {
			return err
		}
		s.Redis.Sentinels = append(s.Redis.Sentinels, node)
	}
	return nil
}

func (s *Stack) redisNode(name, program string, lines []string) (*RedisNode, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	dir := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make redis folder: %w", err)
	}
	config := []string{"bind 127.0.0.1", "dir " + dir, "daemonize no", "protected-mode no"}
	if s.Redis.tls != nil {
		config = append(config, "port 0", "tls-port "+port, "tls-auth-clients no", "tls-replication yes", "tls-cluster yes",
			"tls-ca-cert-file "+s.pki.CA, "tls-cert-file "+s.pki.Cert, "tls-key-file "+s.pki.Key)
	} else {
		config = append(config, "port "+port)
	}
	if s.Redis.Password != "" {
		config = append(config, "requirepass "+s.Redis.Password)
		if program == "redis-server" {
			config = append(config, "masterauth "+s.Redis.Password)
		} else {
			config = append(config, "sentinel sentinel-pass "+s.Redis.Password)
		}
	}
	config = append(config, lines...)
	file := filepath.Join(s.Dir, name+".conf")
	if err := os.WriteFile(file, []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write redis configuration: %w", err)
	}
	command := []string{"redis-server", file}
	if program == "redis-sentinel" {
		command = append(command, "--sentinel")
	}
	node := &RedisNode{Addr: addr}
	node.Server = &Server{
		name: name, dir: s.Dir, command: command,
		ready: func(ctx context.Context) error {
			_, err := s.Redis.do(ctx, addr, "PING", "+PONG")
			return err
		},
	}
	s.servers = append(s.servers, node.Server)
	return node, nil
}

// finishRedis connects the sentinels or cluster nodes to each other, and waits until
// they are ready.
func (s *Stack) finishRedis(ctx context.Context) error {
	if s.Redis == nil {
		return nil
	}
	switch s.Redis.Mode {
	case RedisSentinel:
		for _, node := range s.Redis.Sentinels {
			err := poll(ctx, func() error {
				_, err := s.Redis.do(ctx, node.Addr, "SENTINEL CKQUORUM "+SentinelMaster, "+OK")
				return err
			})
			if err != nil {
				return err
			}
		}
	case RedisCluster:
		args := []string{"--cluster", "create"}
		for i, addr := range s.Redis.Addrs() {
			args = append(args, addr+"@"+s.Redis.buses[i])
		}
		args = append(args, "--cluster-yes", "--no-auth-warning")
		if s.Redis.Password != "" {
			args = append(args, "-a", s.Redis.Password)
		}
		if s.Redis.tls != nil {
			args = append(args, "--tls", "--cacert", s.CAFile)
		}
		if out, err := exec.CommandContext(ctx, "redis-cli", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("create redis cluster: %w: %s", err, lastLines(out))
		}
		for _, node := range s.Redis.Nodes {
			err := poll(ctx, func() error {
				info, err := s.Redis.do(ctx, node.Addr, "CLUSTER INFO", "$")
				if err == nil && !strings.Contains(info, "cluster_state:ok") {
					err = errors.New("create redis cluster: it is not whole yet")
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// do sends one inline command and returns the first kilobytes of the answer, which
// must begin with want.
func (r *Redis) do(ctx context.Context, addr, command, want string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var conn net.Conn
	var err error
	if r.tls != nil {
		conn, err = (&tls.Dialer{Config: r.tls}).DialContext(ctx, "tcp", addr)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return "", fmt.Errorf("ask redis: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", fmt.Errorf("ask redis: %w", err)
	}
	reader := bufio.NewReader(conn)
	if r.Password != "" {
		if _, err := conn.Write([]byte("AUTH " + r.Password + "\r\n")); err != nil {
			return "", fmt.Errorf("ask redis: %w", err)
		}
		if answer, err := reader.ReadString('\n'); err != nil || !strings.HasPrefix(answer, "+OK") {
			return "", fmt.Errorf("ask redis: it refuses the password: %s (%w)", answer, err)
		}
	}
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return "", fmt.Errorf("ask redis: %w", err)
	}
	buf := make([]byte, 8<<10)
	n, err := reader.Read(buf)
	if err != nil {
		return "", fmt.Errorf("ask redis: %w", err)
	}
	answer := string(buf[:n])
	if !strings.HasPrefix(answer, want) {
		return "", fmt.Errorf("ask redis: it answers %q", strings.TrimSpace(answer))
	}
	return answer, nil
}

// Persist makes the first server keep what it has, also if it is killed.
func (r *Redis) Persist(ctx context.Context) error {
	for _, command := range []string{"CONFIG SET appendonly yes", "CONFIG SET appendfsync always", "CONFIG REWRITE"} {
		if _, err := r.do(ctx, r.Nodes[0].Addr, command, "+OK"); err != nil {
			return fmt.Errorf("persist redis: %w", err)
		}
	}
	return nil
}
