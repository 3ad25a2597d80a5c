package stack

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Options configures the servers of a stack.
type Options struct {
	// Brokers is the number of Kafka brokers, 0 to 3. Each is also a controller.
	// With one broker, topics have one replica; with three they have three, of which
	// two must be in sync.
	Brokers int
	// SASL adds a SASL_SSL listener to each broker, with PLAIN, SCRAM-SHA-256
	// and SCRAM-SHA-512 for the same users.
	SASL bool
	// Bearer adds a SASL_PLAINTEXT listener with OAUTHBEARER to each broker. Nil for
	// none.
	Bearer *BearerOptions
	// BrokerLog are the levels of loggers of the brokers, by their names. What is not in
	// it is logged from warnings on.
	BrokerLog map[string]string
	// ACLs restricts the users of the SASL_SSL listener to the rights given by
	// Stack.Allow. Clients of the plain listener may do everything.
	ACLs bool
	// Racks puts each broker into a rack of its own, "rack-" and its id, and lets
	// clients of a rack read from its replicas (KIP-392).
	Racks bool
	// BrokerConfig is added to each broker's properties.
	BrokerConfig map[string]string
	// HeapMiB bounds each broker's Java heap; 0 means 400.
	HeapMiB int
	// Steady enables full compilation of the brokers' code: slower to start, faster
	// after some seconds. For benchmarks.
	Steady bool
	// Redis configures Redis, if there is one.
	Redis RedisOptions
	// Packages are further Debian packages whose programs the caller needs.
	Packages []string
}

// Stack is a set of running servers.
type Stack struct {
	// Dir holds all files of the servers. It is removed by Close.
	Dir string
	// Brokers are the Kafka brokers, node 1 first.
	Brokers []*Broker
	// Users may log in to the SASL_SSL listener.
	Users []User
	// Redis is nil if none was configured.
	Redis *Redis
	// CA is the authority that signed every certificate of the stack, as PEM, and
	// CAFile a file with it. Both are empty if no server uses TLS.
	CA     []byte
	CAFile string

	pki     *pki
	servers []*Server

	closeOnce sync.Once
	closing   chan struct{} // closed by Close
	watched   chan struct{} // closed when the context is no longer watched
	closeErr  error
}

// Start starts the servers and returns once all of them answer. They run until
// Close, or until the context ends.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	if opts.Brokers < 0 || opts.Brokers > 3 {
		return nil, fmt.Errorf("start stack: %d brokers: 0 to 3 are supported", opts.Brokers)
	}
	packages := opts.Packages
	if opts.Redis.Mode != NoRedis {
		packages = append([]string{"redis-server"}, packages...)
	}
	if err := Install(ctx, packages...); err != nil {
		return nil, fmt.Errorf("start stack: %w", err)
	}
	dir, err := os.MkdirTemp("", "sluice-stack-")
	if err != nil {
		return nil, fmt.Errorf("start stack: %w", err)
	}
	s := &Stack{Dir: dir, closing: make(chan struct{}), watched: make(chan struct{})}
	go func() {
		defer close(s.watched)
		select {
		case <-ctx.Done():
			s.end()
		case <-s.closing:
		}
	}()
	if err := s.start(ctx, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("start stack: %w", err), s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context, opts Options) error {
	if opts.SASL || opts.Redis.TLS {
		made, err := newPKI(s.Dir)
		if err != nil {
			return err
		}
		s.pki, s.CA, s.CAFile = made, made.caPEM, made.CA
	}
	// All processes are launched first and awaited together, because each takes
	// seconds to start.
	if err := s.prepareKafka(ctx, opts); err != nil {
		return err
	}
	if err := s.prepareRedis(opts.Redis); err != nil {
		return err
	}
	for _, server := range s.servers {
		if err := server.launch(); err != nil {
			return err
		}
	}
	for _, server := range s.servers {
		if err := server.await(ctx); err != nil {
			return err
		}
	}
	if err := s.finishKafka(ctx, opts); err != nil {
		return err
	}
	return s.finishRedis(ctx)
}

// Bootstrap lists the addresses of all brokers' plain listeners.
func (s *Stack) Bootstrap() []string {
	var addrs []string
	for _, broker := range s.Brokers {
		addrs = append(addrs, broker.Addr)
	}
	return addrs
}

// SASLBootstrap lists the addresses of all brokers' SASL_SSL listeners.
func (s *Stack) SASLBootstrap() []string {
	var addrs []string
	for _, broker := range s.Brokers {
		addrs = append(addrs, broker.SASLAddr)
	}
	return addrs
}

// TLS is the configuration of a client that trusts the stack's authority, nil if no
// server uses TLS.
func (s *Stack) TLS() *tls.Config {
	if s.pki == nil {
		return nil
	}
	return s.pki.client()
}

// Close kills every server of the stack, waits until they are gone and removes their
// files. Further calls return the error of the first one.
func (s *Stack) Close() error {
	s.end()
	<-s.watched
	return s.closeErr
}

func (s *Stack) end() {
	s.closeOnce.Do(func() {
		close(s.closing)
		var wg sync.WaitGroup
		errs := make([]error, len(s.servers))
		for i, server := range s.servers {
			wg.Go(func() { errs[i] = server.Kill() })
		}
		wg.Wait()
		s.closeErr = errors.Join(append(errs, os.RemoveAll(s.Dir))...)
	})
}
