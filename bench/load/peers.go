package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/bench/load/scenario"
	"sluice/bench/stack"
)

// peer is another server that can be measured beside.
type peer struct {
	// Name is what people ask for, and Title what the table shows.
	Name, Title string
	// Kind is how clients connect, Dialect what they hear.
	Kind, Dialect string
	// Path and Send are as in target.
	Path string
	// API is how the bridge publishes.
	API string
	// Packages are Debian's whose programs are needed, Module one that has
	// nchanModule, Build a program of the peers' Go module.
	Packages []string
	Module   string
	Build    string
	// start gives the command, once its files are in dir.
	start func(p *running) ([]string, error)
}

// running is a peer that was started.
type running struct {
	peer
	dir, program string
	// Clients is where those connect, Publish where the bridge does, Backend
	// where the peer asks; Spare is a port that it may use.
	Clients, Publish, Backend, Spare string
	secret                           string
	server                           *stack.Server
}

// peers are all that are known. Each is set up as its documentation advises for
// many subscribers: logs off, no limits below what is measured, as many workers
// as there are processors.
var peers = []peer{
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

// findPeers finds those whose name is asked for, or begins with it.
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

// prepare installs or builds what a peer needs. The error says why it cannot
// be had.
func (p peer) prepare(ctx context.Context, tree, dir string) (program string, err error) {
	if p.Build == "" {
		if err := stack.Install(ctx, p.Packages...); err != nil || p.Module == "" {
			return "", err
		}
		if _, err := os.Stat(nchanModule); err != nil {
			// It holds no program, so what counts is whether the file is there.
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

// run starts a peer in a folder of its own.
func (p peer) run(ctx context.Context, dir, program string) (*running, error) {
	r := &running{peer: p, program: program, secret: rand.Text()}
	var err error
	if r.dir, err = os.MkdirTemp(dir, p.Name+"-"); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	// The peer may give up root and has to get at its files.
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

// ready reports whether both listeners are there.
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

// peerPause is between the start of a peer and its first client.
const peerPause = 2 * time.Second

// measurePeer runs a scenario against a peer, fed by a bridge.
func (o options) measurePeer(ctx context.Context, kafka *stack.Stack, p peer, program, dir, run string, s scenario.Scenario) (res result, err error) {
	s.Clients = slices.Clone(s.Clients)
	for i := range s.Clients {
		s.Clients[i].Kind = p.Kind
	}
	names, err := topics(ctx, kafka, run, s)
	if err != nil {
		return res, err
	}
	r, err := p.run(ctx, dir, program)
	if r != nil && r.server != nil {
		defer func() { err = errors.Join(err, r.server.Stop()) }()
	}
	if err != nil {
		return res, err
	}
	bridge, err := startChild(ctx, roleBridge)
	if err != nil {
		return res, err
	}
	defer bridge.stop()
	job := bridgeJob{Brokers: kafka.Bootstrap(), Topic: names[0], API: p.API, Address: r.Publish, Secret: r.secret}
	if p.API == apiPushpin {
		job.Backend = r.Backend
	}
	if _, err := bridge.ask(ctx, command{Do: "open", Bridge: &job}); err != nil {
		return res, err
	}
	// Some of the peers need a moment until their own parts have found each
	// other, which none of them tells.
	if err := sleep(ctx, peerPause); err != nil {
		return res, err
	}
	res, err = measure(ctx, s, place{
		Target:  target{Address: r.Clients, Dialect: p.Dialect, Path: p.Path, Streams: []string{peerChannel}},
		Server:  processes{r.server.PID()},
		Beside:  processes{bridge.cmd.Process.Pid},
		Brokers: kafka.Bootstrap(), Topics: names,
		PerProcess: o.perProcess, PerSource: clientsPerSource, Settle: o.settle,
	})
	res.Server = p.Title
	if _, fault := bridge.ask(ctx, command{Do: "report"}); fault != nil {
		err = errors.Join(err, fault)
	}
	return res, err
}

// peerScenarios are measured where none is named.
var peerScenarios = []string{"broadcast-100", "broadcast-2000"}

// runPeers measures each scenario on Sluice, with WebSockets and with event
// streams, and on each peer. One that cannot be had, or fails, is named with
// the reason, and the others go on.
func (o options) runPeers(ctx context.Context, kafka *stack.Stack, sluice, dir string, all []scenario.Scenario, progress io.Writer) ([]result, error) {
	beside, err := findPeers(o.peers)
	if err != nil {
		return nil, err
	}
	programs, unprepared := map[string]string{}, map[string]error{}
	for _, p := range beside {
		fmt.Fprintf(progress, "load: preparing %s\n", p.Title)
		if programs[p.Name], err = p.prepare(ctx, o.tree, dir); err != nil {
			unprepared[p.Name] = err
		}
	}
	var results []result
	number := 0
	for _, s := range all {
		// The peers have one channel, and targets are not theirs.
		if s.Streams != 1 || s.Vary != nil || s.Storm || s.Publish > 0 || slices.ContainsFunc(s.Clients, func(g scenario.Group) bool { return g.Filter != "" }) {
			return results, fmt.Errorf("measure %s: %w: peers take scenarios of one stream without filters, storms and publishing", s.Name, scenario.ErrInvalid)
		}
		s.Targets, s.Memory = nil, true
		take := func(title string, measured func(run string) (result, error)) {
			number++
			fmt.Fprintf(progress, "load: %s: %s\n", s.Title, title)
			res, err := measured(fmt.Sprintf("load-%d", number))
			res.Server = title
			if err != nil {
				fmt.Fprintf(progress, "load:   %v\n", err)
				res.Scenario, res.Unmeasured = s, err.Error()
			}
			results = append(results, res)
		}
		for _, kind := range kinds {
			take(fmt.Sprintf("Sluice (%s)", map[string]string{scenario.WebSocket: "WebSocket", scenario.SSE: "SSE"}[kind]), func(run string) (result, error) {
				s := s
				s.Clients = slices.Clone(s.Clients)
				for i := range s.Clients {
					s.Clients[i].Kind = kind
				}
				return o.measureOwn(ctx, kafka, sluice, run, s)
			})
		}
		for _, p := range beside {
			take(p.Title, func(run string) (result, error) {
				if err := unprepared[p.Name]; err != nil {
					return result{}, err
				}
				return o.measurePeer(ctx, kafka, p, programs[p.Name], dir, run, s)
			})
		}
		if ctx.Err() != nil {
			return results, fmt.Errorf("measure peers: %w", ctx.Err())
		}
	}
	return results, nil
}
