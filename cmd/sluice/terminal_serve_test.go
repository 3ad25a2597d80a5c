package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/cmd/sluice/embedded"
	"sluice/cmd/sluice/measure"
)

// served is a server of its own process, on a Kafka and a Redis of this one, which outlive it.
type served struct {
	t       *testing.T
	dir     string
	environ []string
	address string
	cmd     *exec.Cmd
}

// serveTokens starts a server to which the token in the file token has all rights, to the stream
// lines.
func serveTokens(t *testing.T) *served {
	t.Helper()
	kafka, err := embedded.Start(embedded.Config{PartitionBytes: 8 << 20, Logger: slog.New(slog.DiscardHandler), Topics: []embedded.Topic{{Name: "lines", Partitions: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	// It is run for the clock by which leases of message ids end.
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- kafka.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	// A port that another server of this test takes again after this one is killed. Meanwhile nobody else
	// is given it, at an address of its own: all of 127.0.0.0/8 is this machine, but on some systems.
	own := net.IPv4(127, 1+rand.N[byte](254), 1+rand.N[byte](254), 1+rand.N[byte](254)).String()
	free, err := net.Listen("tcp", net.JoinHostPort(own, "0"))
	if err != nil {
		free, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, dir: t.TempDir(), address: free.Addr().String()}
	_ = free.Close()
	for name, text := range map[string]string{
		"key": strings.Repeat("k", 48),
		"sluice.yaml": fmt.Sprintf(`listen: %q
admin: {listen: "127.0.0.1:0"}
kafka: {brokers: [%q]}
redis: {url: "redis://%s", timeout: 30s}
auth: {issuers: [{issuer: i, audience: a, algorithms: [HS256], secret_file: key}]}
grants: [{when: {}, subscribe: ["*"], publish: ["*"], replay: unlimited}]
limits: {publish_timeout: 5s}
drain: {timeout: 2s, spread: 1s}
message_ids: {margin: 1s}
streams: {lines: {topic: lines}}
`, s.address, kafka.Brokers[0], kafka.RedisAddr),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.environ = append(os.Environ(), "SLUICE_SERVER=http://"+s.address)
	s.run("", "sh", "-c", "sluice token --secret-file key --issuer i --audience a --subject me > token")
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *served) start() {
	s.t.Helper()
	s.cmd = exec.CommandContext(s.t.Context(), "sluice", "serve", "--config", "sluice.yaml")
	s.cmd.Dir = s.dir
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for ends := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(ends) {
			s.t.Fatal("the server does not start")
		}
	}
}

func (s *served) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// stop has the server drain its clients, and end.
func (s *served) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// run runs a command to its end, and returns what it prints.
func (s *served) run(in string, name string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), name, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = s.dir, s.environ, strings.NewReader(in)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s %v: %v: %s", name, args, err, errs.String())
	}
	return string(out)
}

// TestTailFollowsAName: each run of tail goes on where the last one has stopped printing, and no
// record is left out, or printed again after an orderly end.
func TestTailFollowsAName(t *testing.T) {
	t.Parallel()
	s := serveTokens(t)
	tail := []string{"tail", "lines", "--token-file", "token", "--fields", ".data", "--follow-name", "me"}
	lost := exec.CommandContext(t.Context(), "sluice", tail...)
	lost.Dir, lost.Env = s.dir, s.environ
	if out, err := lost.CombinedOutput(); err == nil || !strings.Contains(string(out), `nothing is stored under "me": say with --from where to start`) {
		t.Errorf("a new name without a start: %v: %s", err, out)
	}
	var file, seen strings.Builder
	for n := range 100 {
		fmt.Fprintln(&file, n)
	}
	s.run(file.String(), "sluice", "publish", "lines", "--token-file", "token", "--quiet")
	for range 4 {
		seen.WriteString(s.run("", "sluice", slices.Concat(tail, []string{"--from", "earliest", "-n", "20"})...))
	}
	// What is interrupted has stored its position, too.
	r := launch(t, s.dir, s.environ, "sluice", tail...)
	last := r.until(regexp.MustCompile(`^\d+$`))[0]
	r.stop()
	for line := range r.lines {
		seen.WriteString(line + "\n")
	}
	seen.WriteString(last + "\n")
	s.run("100\n", "sluice", "publish", "lines", "--token-file", "token")
	left := 101 - strings.Count(seen.String(), "\n")
	seen.WriteString(s.run("", "sluice", slices.Concat(tail, []string{"-n", fmt.Sprint(left)})...))
	got := strings.Fields(seen.String())
	slices.Sort(got)
	if len(slices.Compact(slices.Clone(got))) != 101 || len(got) != 101 {
		t.Errorf("%d records were printed, %d different ones", len(got), len(slices.Compact(got)))
	}
	if again := s.run("", "sluice", slices.Concat(tail, []string{"--reset", "--from", "earliest", "-n", "101"})...); strings.Count(again, "\n") != 101 {
		t.Errorf("after --reset: %d records", strings.Count(again, "\n"))
	}
}

// TestPublishSurvivesKills: the server is killed again and again while lines are published, and
// so is publish. Nothing is stored twice, and nothing is lost.
func TestPublishSurvivesKills(t *testing.T) {
	t.Parallel()
	s := serveTokens(t)
	const count = 3000
	var file strings.Builder
	for n := range count {
		fmt.Fprintf(&file, "{\"n\":%d,\"pad\":%q}\n", n, strings.Repeat("x", 300))
	}
	if err := os.WriteFile(filepath.Join(s.dir, "lines.ndjson"), []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	publish := "exec sluice publish lines --token-file token --id-prefix import --concurrency 2 --retry-for 10m < lines.ndjson"
	for kill := range 2 {
		r := launch(t, s.dir, s.environ, "sh", "-c", publish)
		// The second time, of lines that the first run has stored and that are settled.
		for range 600 / (kill + 1) {
			r.until(regexp.MustCompile(`^\d+:\d+$`))
		}
		s.kill()
		s.start()
		if kill == 0 {
			// This run is cut off as well, and another one begins from the start.
			r.kill()
			r.stop()
			continue
		}
		printed := s.run("", "sh", "-c", publish+" 2>&1")
		if stored := len(regexp.MustCompile(`(?m)^\d+:\d+$`).FindAllString(printed, -1)); stored != count {
			t.Errorf("%d of %d lines are stored", stored, count)
		}
		for line := range strings.Lines(printed) {
			if !regexp.MustCompile(`^\d+:\d+$`).MatchString(strings.TrimSpace(line)) {
				t.Logf("publish says: %s", line)
			}
		}
	}
	got := strings.Fields(s.run("", "sluice", "tail", "lines", "--token-file", "token", "--from", "earliest", "-n", fmt.Sprint(count), "--values"))
	slices.Sort(got)
	if different := len(slices.Compact(got)); different != count {
		t.Errorf("of %d records, %d are different", count, different)
	}
	// Where the next records are stored says how many there are.
	var keys strings.Builder
	for n := range 50 {
		fmt.Fprintf(&keys, "{\"k\":%d}\n", n)
	}
	ends := map[string]int{}
	for line := range strings.Lines(s.run(keys.String(), "sluice", "publish", "lines", "--token-file", "token", "--key-field", ".k")) {
		partition, text, _ := strings.Cut(strings.TrimSpace(line), ":")
		offset, err := strconv.Atoi(text)
		if _, known := ends[partition]; err != nil {
			t.Fatal(err)
		} else if !known {
			ends[partition] = offset
		}
	}
	if all := ends["0"] + ends["1"] + ends["2"]; len(ends) != 3 || all != count {
		t.Errorf("there are %d records, of %d lines", all, count)
	}
}

// next returns a function that waits until a record is stored after this call.
func (s *served) next() (wait func()) {
	s.t.Helper()
	token, err := os.ReadFile(filepath.Join(s.dir, "token"))
	if err != nil {
		s.t.Fatal(err)
	}
	page := func(from string) (records int, cursor string) {
		s.t.Helper()
		answer := request(s.t.Context(), s.t, "http://"+s.address+"/v1/streams/lines/records?limit=1&from="+from, strings.TrimSpace(string(token)))
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		var got struct {
			Records []json.RawMessage
			Cursor  string
		}
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err != nil || answer.StatusCode != http.StatusOK {
			s.t.Fatalf("%s: %v: %s", answer.Status, err, text)
		}
		return len(got.Records), got.Cursor
	}
	_, cursor := page("latest")
	return func() {
		s.t.Helper()
		for ends := time.Now().Add(soon); ; time.Sleep(20 * time.Millisecond) {
			if records, _ := page(cursor); records > 0 {
				return
			}
			if time.Now().After(ends) {
				s.t.Fatal("no record is stored")
			}
		}
	}
}

// bench runs bench, calls do meanwhile, and returns its report.
func (s *served) bench(do func(), args ...string) (report measure.Report, code int) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "sluice", append([]string{"bench", "--json"}, args...)...)
	cmd.Dir, cmd.Env = s.dir, s.environ
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	do()
	_ = cmd.Wait()
	if err := json.Unmarshal([]byte(out.String()), &report); err != nil {
		s.t.Fatalf("%v: %s%s", err, out.String(), errs.String())
	}
	return report, cmd.ProcessState.ExitCode()
}

// TestBenchAcrossARestart: clients come back behind what they had, and nothing is missing or repeated.
func TestBenchAcrossARestart(t *testing.T) {
	t.Parallel()
	s := serveTokens(t)
	for _, transport := range measure.Transports {
		published := s.next()
		report, code := s.bench(func() {
			published() // all clients are there
			if transport == measure.SSE {
				s.kill()
			} else {
				s.stop()
			}
			s.start()
		}, "--stream", "lines", "--token-file", "token", "--clients", "15", "--rate", "50", "--duration", "10s", "--transport", transport, "--patience", "30s")
		p := report.Published
		if code != exitIncomplete || report.Connected != 15 || report.Lost != 15 || report.CameBack.Count != 15 || report.CameBack.Max <= 0 || report.Away != 0 {
			t.Errorf("%s: got %d: %+v", transport, code, report)
		}
		// Those of unknown outcome can be stored: clients have them, and nobody counts them.
		if p == nil || p.Stored < 100 || report.Missing != 0 || report.Repeated != 0 || report.Gaps != 0 || report.Records < 15*p.Stored {
			t.Errorf("%s: %+v, published %+v", transport, report, p)
		}
		t.Logf("%s: lost %d, back after %v, published %+v, errors %v", transport, report.Lost, report.CameBack, *p, report.Errors)
	}
}

// TestBenchHandsOutTokens: the limit of a principal bounds the clients of each token.
func TestBenchHandsOutTokens(t *testing.T) {
	t.Parallel()
	s := serveTokens(t)
	s.run("", "sh", "-c", "for i in 1 2 3; do sluice token --secret-file key --issuer i --audience a --subject u$i; echo; done > tokens")
	for file, connected := range map[string]int{"token": 20, "tokens": 50} {
		report, code := s.bench(func() {}, "--stream", "lines", "--token-file", file, "--clients", "50", "--duration", "1s", "--rate", "5", "--patience", "30s")
		if report.Connected != connected || report.Published.Stored != 5 || (code == exitOK) != (connected == 50) {
			t.Errorf("%s: got %d, %+v", file, code, report)
		}
	}
	for name, text := range map[string]string{"empty": "\n\n", "spaced": "a\nlet me in\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sluice", "bench", "--stream", "lines", "--token-file", name)
		cmd.Dir, cmd.Env = s.dir, s.environ
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitUsage || strings.Contains(string(out), "let me in") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
