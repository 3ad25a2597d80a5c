package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sluice/bench/stack"
)

// What all tests share is made when the first one asks for it, and ends with
// the process.
var shared struct {
	dir    string
	stack  *stack.Stack
	binary func() (string, error)
	start  func() (*stack.Stack, error)
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "sluice-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared.dir = dir
	shared.binary = sync.OnceValues(func() (string, error) { return build(dir) })
	shared.start = sync.OnceValues(func() (*stack.Stack, error) {
		servers, err := stack.Start(context.Background(), stack.Options{
			Brokers:  1,
			SASL:     true,
			HeapMiB:  600,
			Redis:    stack.RedisOptions{Mode: stack.RedisSingle},
			Packages: []string{"kcat"},
		})
		shared.stack = servers
		return servers, err
	})
	defer func() {
		if shared.stack == nil {
			return
		}
		if err := shared.stack.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

// build makes the binary under test.
func build(dir string) (string, error) {
	binary := filepath.Join(dir, "sluice")
	args := []string{"build", "-buildvcs=false", "-o", binary}
	if os.Getenv("SLUICE_E2E_RACE") != "" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/sluice")...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sluice: %w: %s", err, out)
	}
	return binary, nil
}

// servers returns the Kafka and Redis that tests share.
func servers(t *testing.T) *stack.Stack {
	t.Helper()
	if testing.Short() {
		t.Skip("left out: -short starts no servers")
	}
	started, err := shared.start()
	stack.Check(t, err)
	return started
}

// topic makes a topic for one test.
func topic(t *testing.T, name string, partitions int) {
	t.Helper()
	if err := servers(t).CreateTopic(t.Context(), name, partitions, nil); err != nil {
		t.Fatal(err)
	}
}

// within bounds what a test does.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
