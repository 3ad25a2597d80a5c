package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sluice/bench/load/scenario"
	"sluice/bench/stack"
)

// peer is another server that can be measured for comparison.
type peer struct {
	// Name is the name for -peers, and Title that in the table.
	Name, Title string
	// Kind is the kind of connection, Dialect the protocol on it.
	Kind, Dialect string
	// Path and Send are as in target.
	Path string
	// API is how the bridge publishes, empty for bare, which reads Kafka itself.
	API string
	// Packages are the required Debian packages, Module the one with nchanModule,
	// Build a program of the peers' Go module.
	Packages []string
	Module   string
	Build    string
	// start returns the command, after writing its files to dir.
	start func(p *running) ([]string, error)
}

// running is a peer that was started.
type running struct {
	peer
	dir, program string
	// Clients is the address for clients, Publish that for the bridge, Backend that
	// of the backend that the peer uses; Spare is a further address that it may use.
	Clients, Publish, Backend, Spare string
	secret                           string
	server                           *stack.Server
}

// peers are all supported peers. Each is configured as its documentation advises for
// many subscribers: logs off, no limits below what is measured, one worker per
// processor.
var peers = []peer{
	{Name: "bare-ws", Title: "bare (WebSocket)", Kind: scenario.WebSocket},
	{Name: "bare-sse", Title: "bare (SSE)", Kind: scenario.SSE},
	{
		Name: "nchan-ws", Title: "nchan (WebSocket)", Kind: scenario.WebSocket, Dialect: dialectPlain, Path: "/sub", API: apiHTTP + " /pub",
		Packages: []string{"nginx"}, Module: "libnginx-mod-nchan", start: startNchan,
	},
	{
		Name: "nchan-sse", Title: "nchan (SSE)", Kind: scenario.SSE, Dialect: dialectPlain, Path: "/sub", API: apiHTTP + " /pub",
		Packages: []string{"nginx"}, Module: "libnginx-mod-nchan", start: startNchan,
	},
	{
		Name: "pushpin-ws", Title: "Pushpin (WebSocket)", Kind: scenario.WebSocket, Dialect: dialectPlain, Path: "/", API: apiPushpin,
		Packages: []string{"pushpin", "condure", "zurl"}, start: startPushpin,
	},
	{
		Name: "pushpin-sse", Title: "Pushpin (SSE)", Kind: scenario.SSE, Dialect: dialectPlain, Path: "/", API: apiPushpin,
		Packages: []string{"pushpin", "condure", "zurl"}, start: startPushpin,
	},
	{
		Name: "mercure", Title: "Mercure 0.18 (SSE)", Kind: scenario.SSE, Dialect: dialectPlain,
		Path: "/.well-known/mercure?topic=" + peerChannel, API: apiMercure, Build: "mercured",
		start: func(p *running) ([]string, error) {
			p.Publish = p.Clients
			return []string{p.program, "-listen", p.Clients, "-key", p.secret}, nil
		},
	},
	{
		Name: "plain", Title: "a write a message and client (WebSocket)", Kind: scenario.WebSocket, Dialect: dialectPlain,
		Path: "/subscribe", API: apiHTTP + " /publish", Build: "plainhub",
		start: func(p *running) ([]string, error) {
			p.Publish = p.Clients
			return []string{p.program, "-listen", p.Clients}, nil
		},
	},
	{
		Name: "nats", Title: "NATS (WebSocket)", Kind: scenario.WebSocket, Dialect: dialectNATS, Path: "/", API: apiNATS, Build: "natsd",
		start: func(p *running) ([]string, error) {
			return []string{p.program, "-listen", p.Publish, "-websocket", p.Clients}, nil
		},
	},
}

func peerNames() []string {
	var names []string
	for _, p := range peers {
		names = append(names, p.Name)
	}
	return names
}

// findPeers finds the peers whose name is in the list, or begins with a name in it.
func findPeers(list string) ([]peer, error) {
	if list == "all" {
		return peers, nil
	}
	var found []peer
	for _, name := range strings.Split(list, ",") {
		before := len(found)
		for _, p := range peers {
			if p.Name == name || strings.HasPrefix(p.Name, name+"-") {
				found = append(found, p)
			}
		}
		if len(found) == before {
			return nil, fmt.Errorf("no peer is named %q: there are %s", name, strings.Join(peerNames(), ", "))
		}
	}
	return found, nil
}

// prepare installs or builds what a peer needs. The error is why it is unavailable.
func (p peer) prepare(ctx context.Context, tree, dir string) (program string, err error) {
	if p.Build == "" {
		if err := stack.Install(ctx, p.Packages...); err != nil || p.Module == "" {
			return "", err
		}
		if _, err := os.Stat(nchanModule); err != nil {
			// The package contains no program, so the presence of the file decides.
			if err := stack.Install(ctx, p.Module); err != nil {
				if _, missing := os.Stat(nchanModule); missing != nil {
					return "", err
				}
			}
		}
		return "", nil
	}
	program = filepath.Join(dir, p.Build)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(tree, "bench", "peers"), "-o", program, "./"+p.Build).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %.500s", p.Build, err, out)
	}
	return program, nil
}

// run starts a peer in a directory of its own.
func (p peer) run(ctx context.Context, dir, program string) (*running, error) {
	r := &running{peer: p, program: program, secret: rand.Text()}
	var err error
	if r.dir, err = os.MkdirTemp(dir, p.Name+"-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	// The peer may drop root privileges and needs access to its files.
	for _, folder := range []string{dir, r.dir} {
		if err := os.Chmod(folder, 0o755); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
	}
	for _, address := range []*string{&r.Clients, &r.Publish, &r.Backend, &r.Spare} {
		if *address, err = stack.FreeAddr(); err != nil {
			return nil, err
		}
	}
	command, err := p.start(r)
	if err != nil {
		return nil, err
	}
	r.server = stack.NewServer(stack.Command{Name: p.Name, Dir: r.dir, Args: command, Ready: r.ready})
	return r, r.server.Start(ctx)
}

// ready returns nil once both listeners accept connections.
func (r *running) ready(ctx context.Context) error {
	for _, address := range []string{r.Clients, r.Publish} {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", address)
		if err != nil {
			return err
		}
		_ = conn.Close()
	}
	return nil
}
