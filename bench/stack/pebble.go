package stack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// PebbleVersion is the release of Pebble, the ACME server that Let's Encrypt has made
// for tests.
const PebbleVersion = "v2.10.3"

// Pebble is an ACME server. It finds each host name at 127.0.0.1.
type Pebble struct {
	*Server
	// DirectoryURL is its directory.
	DirectoryURL string
	// CAFile has the authority of its own certificate, PEM.
	CAFile string

	management string
	names      net.Listener
}

// NewPebble prepares a Pebble with its files in dir, which validates domains at a
// port (TLS-ALPN-01). Close must be called.
func NewPebble(ctx context.Context, dir, tlsPort string) (*Pebble, error) {
	program, err := pebbleBinary(ctx)
	if err != nil {
		return nil, err
	}
	made, err := newPKI(dir)
	if err != nil {
		return nil, err
	}
	var addrs [2]string
	for i := range addrs {
		if addrs[i], err = FreeAddr(); err != nil {
			return nil, fmt.Errorf("prepare pebble: %w", err)
		}
	}
	type settings map[string]any
	config, err := json.Marshal(settings{"pebble": settings{
		"listenAddress":           addrs[0],
		"managementListenAddress": addrs[1],
		"certificate":             made.Cert,
		"privateKey":              made.Key,
		"httpPort":                1,
		"tlsPort":                 json.Number(tlsPort),
		"keyAlgorithm":            "ecdsa",
		"retryAfter":              settings{"authz": 1, "order": 1},
	}})
	if err != nil {
		return nil, fmt.Errorf("prepare pebble: %w", err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, fmt.Errorf("prepare pebble: %w", err)
	}
	names, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("prepare pebble: %w", err)
	}
	go answerNames(names)
	p := &Pebble{DirectoryURL: "https://" + addrs[0] + "/dir", CAFile: made.CA, management: "https://" + addrs[1], names: names}
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: made.client(), DisableKeepAlives: true}, Timeout: 5 * time.Second,
	}
	p.Server = NewServer(Command{
		Name: "pebble", Dir: dir, Args: []string{program, "-config", file, "-dnsserver", names.Addr().String(), "-strict"},
		Env:   []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20"},
		Ready: func(ctx context.Context) error { _, err := p.get(ctx, client, p.DirectoryURL); return err },
	})
	return p, nil
}

// Authority returns the authority that signs the certificates that it issues.
func (p *Pebble) Authority(ctx context.Context) (*x509.CertPool, error) {
	own, err := os.ReadFile(p.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ask pebble: %w", err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(own)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableKeepAlives: true}}
	root, err := p.get(ctx, client, p.management+"/roots/0")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		return nil, errors.New("ask pebble: its authority is no certificate")
	}
	return pool, nil
}

// Close kills the server.
func (p *Pebble) Close() error { return errors.Join(p.Kill(), p.names.Close()) }

func (p *Pebble) get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask pebble: %w", err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask pebble: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("ask pebble: %s", answer.Status)
	}
	return body, err
}

// answerNames is a name server that knows one address, over TCP (RFC 1035, section
// 4.2.2).
func answerNames(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if answer, err := answerName(conn); err == nil {
			_, _ = conn.Write(answer)
		}
		_ = conn.Close()
	}
}

func answerName(conn net.Conn) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	packed := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, packed); err != nil {
		return nil, err
	}
	var asked dnsmessage.Message
	if err := asked.Unpack(packed); err != nil {
		return nil, err
	}
	asked.Response, asked.Additionals = true, nil
	for _, q := range asked.Questions {
		if q.Type == dnsmessage.TypeA {
			asked.Answers = append(asked.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	answer, err := asked.Pack()
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...), nil
}

// pebbleBinary returns the server's binary, which the go command builds the first
// time. Processes that build at the same time wait for the first.
func pebbleBinary(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	dir := filepath.Join(cache, "sluice", "pebble-"+PebbleVersion)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	unlock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	program := filepath.Join(dir, "pebble")
	if exists(program) {
		return program, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", "github.com/letsencrypt/pebble/v2/cmd/pebble@"+PebbleVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &MissingError{
			What: "Pebble " + PebbleVersion,
			Get:  "go install must reach the Go module proxy once",
			Err:  fmt.Errorf("run go install: %w: %s", err, lastLines(out)),
		}
	}
	return program, nil
}
