package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"sluice/bench/stack"
)

// Names of the markers in a Markdown file between which tables are inserted.
const (
	markMeasured  = "measured"
	markPublished = "published"
	markPeers     = "peers"
	markHeadline  = "headline"
)

var errMarkers = errors.New("no markers")

// report is the result of a whole run.
type report struct {
	Machine machine `json:"machine"`
	// Kernel is the kernel's cost of a delivery on this machine, nil if it was not
	// measured. In JSON it is called bare, for compatibility with existing readers.
	Kernel  *kernelCost `json:"bare,omitempty"`
	Results []result    `json:"results"`
	// Peers is set if several servers were measured.
	Peers bool `json:"peers,omitempty"`
}

// machine describes what the figures depend on.
type machine struct {
	Cores     int    `json:"cores"`
	Processor string `json:"processor,omitempty"`
	Memory    int64  `json:"memory_bytes"`
	Kernel    string `json:"kernel"`
	Go        string `json:"go"`
	Kafka     string `json:"kafka"`
	Commit    string `json:"commit,omitempty"`
}

func machineFacts(ctx context.Context) machine {
	m := machine{Cores: runtime.NumCPU(), Go: strings.TrimPrefix(runtime.Version(), "go"), Kafka: stack.KafkaVersion}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	// Unknown facts are omitted.
	m.Memory, _ = readKiB("/proc/meminfo", "MemTotal:")
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if label, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(label) == "model name" {
				m.Processor = strings.TrimSpace(value)
				break
			}
		}
	}
	if out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(out))
	}
	return m
}

func (m machine) String() string {
	s := fmt.Sprintf("%d cores", m.Cores)
	if m.Processor != "" {
		s += " (" + m.Processor + ")"
	}
	s += fmt.Sprintf(", %.0f GiB, Linux %s, Go %s, Kafka %s", float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.Kafka)
	if m.Commit != "" {
		s += ", commit " + m.Commit
	}
	return s
}

func (r report) writeMarkdown(w io.Writer) error {
	p := printer{w: w}
	p.printf("%s.\n\n", r.Machine)
	if r.Kernel != nil {
		p.printf("Without any server, a loop of writes of %d bytes to %d sockets takes %.1f µs of processor time a write, and %.1f ms for all of them; a loop of reads %.1f µs a read.\n\n",
			kernelBytes, kernelSockets, r.Kernel.WriteMicros, r.Kernel.PassMillis, r.Kernel.ReadMicros)
	}
	if r.Peers {
		p.peers(r.Results)
		p.faults(r.Results)
		return p.err
	}
	read, published := r.split()
	if len(read) > 0 {
		p.read(read)
	}
	if len(published) > 0 {
		p.printf("\n## Publishing\n\n")
		p.published(published)
	}
	return p.err
}

// writeMeasured prints the results of scenarios in which clients read.
func (r report) writeMeasured(w io.Writer) error {
	r.Results, _ = r.split()
	return r.writeMarkdown(w)
}

// read prints results of scenarios in which clients read.
func (p *printer) read(results []result) {
	p.besideBare(results)
	p.targets(results)
	p.printf("\nOther load is what the machine spent meanwhile on work that is no part of the run, in cores; a latency beside one says little.\n")
	p.printf("\n## All figures\n\n")
	p.figures(results)
	p.printf("\nTimes in ms. What a client costs is beside the server, on the same cores; other load is what the machine spent meanwhile on work that is no part of the run, in cores.\n")
	p.faults(results)
}

func (r report) save(file string) error {
	var b bytes.Buffer
	if err := writeJSON(&b, r); err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// into inserts the tables between the markers of a file: those of readers and those of
// publishers, or only the headline if the file has its markers. Tables of which the run
// has no result stay.
func (r report) into(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	headline := bytes.Contains(text, []byte("<!-- "+markHeadline+": begin -->"))
	read, published := r.split()
	for _, part := range []struct {
		mark  string
		in    bool
		write func(io.Writer) error
	}{
		{markPeers, r.Peers, r.writeMarkdown},
		{markHeadline, !r.Peers && headline && len(read) > 0, r.writeHeadline},
		{markMeasured, !r.Peers && !headline && len(read) > 0, r.writeMeasured},
		{markPublished, !r.Peers && !headline && len(published) > 0, r.writePublished},
	} {
		if !part.in {
			continue
		}
		var tables bytes.Buffer
		if err := part.write(&tables); err != nil {
			return err
		}
		if text, err = between(text, part.mark, tables.Bytes()); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// between replaces the text between the markers.
func between(text []byte, mark string, tables []byte) ([]byte, error) {
	begin, end := "<!-- "+mark+": begin -->", "<!-- "+mark+": end -->"
	head, rest, ok1 := bytes.Cut(text, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%w %s and %s", errMarkers, begin, end)
	}
	return bytes.Join([][]byte{head, []byte(begin + "\n"), tables, []byte(end), tail}, nil), nil
}
