package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sluice/bench/load/scenario"
)

// serverPatience bounds how long the server may take to become ready, and to stop.
const serverPatience = 30 * time.Second

var errServer = errors.New("server under test failed")

// server is a sluice process that this program started.
type server struct {
	cmd *exec.Cmd
	log string
	// ended is closed once the process has been waited for.
	ended chan struct{}
	// Address is the address for clients, Admin that for operators.
	Address, Admin string
}

// buildServer compiles the server of a source tree into dir and returns the path of
// the binary.
func buildServer(ctx context.Context, tree, dir string) (string, error) {
	program := filepath.Join(dir, "sluice")
	out, err := exec.CommandContext(ctx, "go", "build", "-C", tree, "-o", program, "./cmd/sluice").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build server: %w: %s", err, out)
	}
	return program, nil
}

// startServer runs `sluice serve` on free ports and waits until it is ready.
// Stream i is named after topic i. registry is the address of a schema registry, if the
// scenario needs one.
func startServer(ctx context.Context, program, dir, registry string, brokers, topics []string, s scenario.Scenario) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	streams, err := streamsConfig(dir, topics, s, registry)
	if err != nil {
		return nil, err
	}
	text := serverConfig(address, admin, brokers, streams)
	if s.TLS == scenario.TLSServer {
		certFile, keyFile, err := writeCertificate(dir)
		if err != nil {
			return nil, err
		}
		text = fmt.Appendf(text, "tls: {cert_file: %q, key_file: %q}\n", certFile, keyFile)
	}
	config := filepath.Join(dir, "sluice.yaml")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "sluice.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	// The process has its own descriptor.
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, "serve", "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	if s.Cores > 0 {
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", s.Cores))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	made := &server{cmd: cmd, log: log.Name(), ended: make(chan struct{}), Address: address, Admin: admin}
	go func() {
		_ = cmd.Wait()
		close(made.ended)
	}()
	if err := made.ready(ctx); err != nil {
		made.stop()
		return nil, err
	}
	return made, nil
}

// serverConfig gives every client all streams, and raises the limits that
// a load generator on one machine would reach.
func serverConfig(address, admin string, brokers []string, streams string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "listen: %q\nadmin: {listen: %q}\n", address, admin)
	fmt.Fprintf(&b, "kafka: {brokers: [\"%s\"]}\n", strings.Join(brokers, `", "`))
	b.WriteString("grants:\n  - {anonymous: true, subscribe: [\"*\"], publish: [\"*\"], replay: 1h}\n")
	b.WriteString(streams)
	b.WriteString("limits: {sessions_per_address: 0, sessions_per_principal: 0}\n")
	b.WriteString("drain: {timeout: 5s, spread: 1s}\nlog: {level: warn}\n")
	return b.Bytes()
}

func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	said := ""
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Admin+"/readyz", http.NoBody)
		if err != nil {
			return fmt.Errorf("ask whether ready: %w", err)
		}
		if res, err := client.Do(req); err == nil {
			body, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			said = string(body)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%w: it ended: %s", errServer, s.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("%w: not ready: %w: it said %q, and in its log: %s", errServer, ctx.Err(), said, s.lastLog())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop stops the server with SIGTERM, and kills it if that does not help.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(serverPatience):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// lastLog returns the end of the server's output.
func (s *server) lastLog() string {
	const most = 2000
	log, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-most):])
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
